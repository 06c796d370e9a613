"""The action that limits how many buyers a second a product's queue admits, with its slider."""

import bisect
from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from unfold.widgets import UnfoldAdminIntegerFieldWidget

from catalog import products
from catalog.models import Product
from catalog.queue_columns import MAX_ADMISSION_RATE
from flashsale.core.staff.confirmed_actions import ConfirmedActionsAdmin, OptionalNoteForm

# The positions of the slider, in buyers a second; behind the last one is "no limit".
POSITIONS = (
    1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 700, 1_000, 1_500, 2_000, 3_000, 5_000, 10_000,
)  # fmt: skip
# What each position sends.
_RATES: dict[Any, int | None] = {str(n): rate for n, rate in enumerate(POSITIONS)} | {str(len(POSITIONS)): None}


class RateWidget(forms.Widget):
    """A number, empty for no limit, and a slider that sets it.

    The script beside it writes the slider's position into the number. Without a script the form has both: the one that
    was changed counts, and the number if both were.
    """

    template_name = "catalog/admission_rate.html"

    class Media:
        js = ("flashsale/admission_rate.js",)

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        number = UnfoldAdminIntegerFieldWidget().get_context(
            name, value, {**(attrs or {}), "min": 1, "max": MAX_ADMISSION_RATE, "placeholder": "no limit"}
        )
        slider = {
            "position": _position_of(value), "last": len(POSITIONS), "positions": ",".join(map(str, POSITIONS)),
            "shown": "" if value is None else value,
        }  # fmt: skip
        context["widget"] |= {"number": number["widget"], "slider": slider}
        return context

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> Any:
        typed, slid = data.get(name), data.get(f"{name}_slider")
        shown, shown_position = data.get(f"{name}_shown"), data.get(f"{name}_shown_position")
        if slid not in _RATES or slid == shown_position or typed != shown:
            return typed
        return _RATES[slid]


class RateForm(OptionalNoteForm):
    """The most buyers a second that a queue admits."""

    rate_max = forms.IntegerField(
        label="Buyers a second, at most",
        required=False,
        min_value=1,
        max_value=MAX_ADMISSION_RATE,
        widget=RateWidget(),
        help_text="Empty: no limit but those of the stock, of payments and of what the shop can take.",
    )
    field_order = ("rate_max", "note")


class AdmittingAdmin(ConfirmedActionsAdmin):
    """Products whose queues can be limited."""

    @admin.action(description="Limit the queue", permissions=["change"])
    def limit_queue(self, request: HttpRequest, queryset: QuerySet[Product]) -> TemplateResponse | None:
        def limit(product: Product, *, rate_max: int | None, note: str) -> Product:
            return products.limit_admission(product.pk, rate_max=rate_max)

        def describe(_: Product, result: Product) -> str:
            return f"The queue of {result} admits {limit_in_words(result.admission_rate_max)}."

        limits = set(queryset.order_by().values_list("admission_rate_max", flat=True).distinct()[:2])
        return self.confirm_and_run(
            request,
            queryset,
            action="limit_queue",
            verb=limit,
            describe=describe,
            form_class=RateForm,
            # What they have now, where they have the same.
            initial={"rate_max": limits.pop()} if len(limits) == 1 else None,
            effect=lambda row: f"Now it admits {limit_in_words(row.admission_rate_max)}. No place changes.",
        )


def limit_in_words(rate_max: int | None) -> str:
    """Say how many buyers a queue admits at most."""
    if rate_max is None:
        return "as many buyers as the shop can take"
    return f"at most {rate_max:,} buyer{'' if rate_max == 1 else 's'} a second"


def _position_of(value: Any) -> int:
    """Return the slider's position for a limit: the nearest one that is not less; the last one for other text."""
    try:
        return min(bisect.bisect_left(POSITIONS, int(value)), len(POSITIONS) - 1)
    except (TypeError, ValueError):
        return len(POSITIONS)

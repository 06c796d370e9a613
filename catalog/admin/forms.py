"""The forms of a product."""

from decimal import Decimal
from typing import Any, cast

from django import forms
from django.http import QueryDict
from unfold.widgets import UnfoldAdminDecimalFieldWidget, UnfoldAdminIntegerFieldWidget, UnfoldAdminTextareaWidget

from catalog import products, skus, versions
from catalog.admin.history import value_of
from catalog.admin.wording import LABELS
from catalog.models import Product
from catalog.versions import Change, FieldChange
from flashsale.core import identifiers, money
from flashsale.core.limits import MAX_INTEGER
from flashsale.core.staff.theme import ModelForm

# The hidden field with the number of the version that the page shows.
VERSION = "version_shown"
CHANGED_MEANWHILE = (
    "This product was changed while this page was open, so nothing was saved. Compare the values below; saving again"
    " stores those that the form holds now."
)


class ProductForm(ModelForm):
    """A product, with its price in its currency's decimals; refused when another change was saved meanwhile."""

    class Meta:
        model = Product
        fields = products.EDITABLE
        labels = LABELS
        help_texts = {
            "sku": "What the shop itself calls it. Empty: nothing. No two products have the same.",
            "image_url": "Where its picture is: https://... Empty: none.",
            "price": "For one unit, with the decimals of the currency: 29.99 USD, 12000 JPY, 1.250 KWD.",
            "currency": "ISO 4217 code, such as USD.",
            "max_per_customer": "Empty: no limit. It counts for buyers with a customer id.",
            "sale_starts_at": "Empty: as soon as it is published.",
            "sale_ends_at": "Empty: never.",
            "queue": "On: buyers wait, and are admitted in the order of a draw. It needs a start of the sale.",
            "queue_opens_at": "At least 5 minutes before the sale starts. Empty: as soon as the queue is on.",
            "admission_rate_max": "Empty: as many as the shop, its payments and its stock can take.",
        }
        widgets = {
            "description": UnfoldAdminTextareaWidget(attrs={"rows": 4}),
            "price": UnfoldAdminDecimalFieldWidget(attrs={"step": "any", "inputmode": "decimal"}),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.version_shown = getattr(self.instance, "version_number", None)
        # A page that was opened before there were queues sends none; staff who may only view have no fields.
        if "queue" in self.fields:
            self.fields["queue"].required = False
        if self.instance.pk is not None:
            self.initial["price"] = Decimal(money.render(self.instance.price, self.instance.currency))

    def clean_queue(self) -> str:
        return str(self.cleaned_data["queue"] or self.instance.queue)

    def clean(self) -> dict[str, Any] | None:
        cleaned: dict[str, Any] | None = super().clean()
        if "sku" in self.changed_data and self.cleaned_data.get("sku"):
            # The form looks afterwards whether another product has it.
            skus.lock()
        shown = identifiers.parse_id(str(self.data.get(VERSION, "")))
        if self.instance.pk is not None and shown is not None:
            products.lock_for_edit(self.instance.pk)
            changed = versions.changed_since(self.instance.pk, shown, columns=[*self.fields])
            for change, field in changed:
                self._refuse(change, field)
            if changed:
                self.add_error(None, CHANGED_MEANWHILE)
        return cleaned

    def _refuse(self, change: Change, field: FieldChange) -> None:
        """Say who changed a field meanwhile; where this form did not change it, let the form hold the new value."""
        before, after = (value_of(value, change.currency) for value in (field.before, field.after))
        entered = self.cleaned_data.get(field.name)
        if entered == field.before:
            self._hold(field)
            outcome = "The form holds the new value now."
        else:
            outcome = f"You entered {value_of(entered, str(self.cleaned_data.get('currency') or ''))}."
        self.add_error(field.name, f"{change.by or 'A program'} changed this from {before} to {after}. {outcome}")

    def _hold(self, field: FieldChange) -> None:
        """Put a value into the form in place of the one that was sent."""
        widget = self.fields[field.name].widget
        sent = cast("QueryDict", self.data).copy()
        if isinstance(widget, forms.MultiWidget):
            for number, part in enumerate(widget.decompress(field.after) or []):
                sent[f"{field.name}_{number}"] = part or ""
        else:
            sent[field.name] = "" if field.after is None else str(field.after)
        self.data = sent


class NewProductForm(ProductForm):
    """A new product has an opening stock; later its stock changes by adjustments."""

    opening_stock = forms.IntegerField(
        min_value=0,
        max_value=MAX_INTEGER,
        initial=0,
        help_text="Units on sale. Later, the button “Adjust stock” changes it.",
        widget=UnfoldAdminIntegerFieldWidget(),
    )

"""Products and stock for staff. Counters are read only; a stock adjustment changes them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from unfold.widgets import UnfoldAdminIntegerFieldWidget

from catalog import inventory, products, snapshots
from catalog.imports.page import ProductImportMixin
from catalog.models import Product, Stock, StockAdjustment
from flashsale.core.limits import MAX_INTEGER
from flashsale.core.staff.columns import money_column
from flashsale.core.staff.confirmed_actions import ConfirmedActionsAdmin, NoteForm, OptionalNoteForm, ReadOnlyAdmin
from flashsale.core.staff.csv_export import Export
from flashsale.core.staff.model_admin import staff_of
from flashsale.core.staff.theme import ModelForm


class NewProductForm(ModelForm):
    """A new product has an opening stock; later its stock changes by adjustments."""

    opening_stock = forms.IntegerField(
        min_value=0, max_value=MAX_INTEGER, initial=0, help_text="Units.", widget=UnfoldAdminIntegerFieldWidget()
    )


class AdjustForm(NoteForm):
    """By how many units the total of each chosen product changes, and the reason."""

    delta = forms.IntegerField(
        min_value=-MAX_INTEGER,
        max_value=MAX_INTEGER,
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text="Units to add to the total of each chosen product; negative to take away.",
    )
    field_order = ("delta", "note")

    def clean_delta(self) -> int:
        delta: int = self.cleaned_data["delta"]
        if delta == 0:
            raise forms.ValidationError("A change of 0 units changes nothing.")
        return delta


class AdjustingAdmin(ConfirmedActionsAdmin):
    """The action that adjusts stock, shared by the lists of products and of stock."""

    @admin.action(description="Adjust stock", permissions=["adjust"])
    def adjust_stock(self, request: HttpRequest, queryset: QuerySet[Any]) -> TemplateResponse | None:
        def adjust(row: Product | Stock, *, delta: int, note: str) -> StockAdjustment:
            return inventory.adjust(product_id=row.pk, delta=delta, reason=note, made_by=staff_of(request))

        def describe(row: Product | Stock, adjustment: StockAdjustment) -> str:
            return f"{row}: {adjustment.delta:+d} units, {adjustment.total_after} in all."

        return self.confirm_and_run(
            request, queryset, action="adjust_stock", verb=adjust, describe=describe, form_class=AdjustForm
        )

    def has_adjust_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("catalog.add_stockadjustment")


@dataclass(frozen=True)
class Change:
    """One change of a product: when, by which account ("": outside the admin), and its fields as (name, old, new)."""

    at: datetime
    by: str
    fields: list[tuple[str, Any, Any]]


def changes_of(product: Product) -> list[Change]:
    """Return every change of a product, newest first."""
    recorded = product.events  # type: ignore[attr-defined]  # the relation that pghistory.track adds
    versions = list(recorded.select_related("pgh_context").order_by("pgh_id"))
    contexts = [version.pgh_context.metadata if version.pgh_context else {} for version in versions]
    accounts = get_user_model().objects.in_bulk({context["user"] for context in contexts if context.get("user")})
    tracked = (
        [field.name for field in versions[0]._meta.fields if not field.name.startswith("pgh_")] if versions else []
    )
    changes = []
    for before, after, context in zip(versions, versions[1:], contexts[1:], strict=False):
        fields = [(name, getattr(before, name), getattr(after, name)) for name in tracked]
        user = context.get("user")
        by = str(accounts.get(user, f"deleted account {user}")) if user else ""
        changes.append(Change(after.pgh_created_at, by, [field for field in fields if field[1] != field[2]]))
    return changes[::-1]


@admin.register(Product)
class ProductAdmin(ProductImportMixin, AdjustingAdmin):
    change_form_after_template = "catalog/product_history.html"
    list_display = ("name", money_column("price"), "is_published", "sale_starts_at", "sale_ends_at", "paused_at")
    list_filter = ("is_published", "currency")
    search_fields = ("name",)
    readonly_fields = ("is_published", "paused_at", "created_at", "updated_at")
    actions = ("publish", "withdraw", "pause", "resume", "adjust_stock", "export_csv")
    page_actions = ("publish", "pause", "resume", "adjust_stock", "withdraw")
    export = Export(
        {
            "id": "id", "name": "name", "price": "price", "currency": "currency", "published": "is_published",
            "total": "stock.total", "reserved": "stock.reserved", "sold": "stock.sold",
            "sale_starts_at": "sale_starts_at", "sale_ends_at": "sale_ends_at", "paused_at": "paused_at",
            "max_per_hold": "max_per_hold", "max_per_customer": "max_per_customer", "description": "description",
            "created_at": "created_at", "updated_at": "updated_at",
        }
    )  # fmt: skip

    def is_offered(self, action: str, row: Product) -> bool:
        offered = {
            "publish": not row.is_published, "withdraw": row.is_published,
            "pause": row.paused_at is None, "resume": row.paused_at is not None,
        }  # fmt: skip
        return offered.get(action, True)

    @admin.action(description="Publish", permissions=["change"])
    def publish(self, request: HttpRequest, queryset: QuerySet[Product]) -> TemplateResponse | None:
        return self._edit(request, queryset, "publish", products.publish, "is published")

    @admin.action(description="Withdraw (unpublish)", permissions=["change"])
    def withdraw(self, request: HttpRequest, queryset: QuerySet[Product]) -> TemplateResponse | None:
        return self._edit(request, queryset, "withdraw", products.withdraw, "is no longer published")

    @admin.action(description="Pause the sale", permissions=["pause"])
    def pause(self, request: HttpRequest, queryset: QuerySet[Product]) -> TemplateResponse | None:
        return self._edit(request, queryset, "pause", products.pause, "is paused")

    @admin.action(description="Resume the sale", permissions=["pause"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Product]) -> TemplateResponse | None:
        return self._edit(request, queryset, "resume", products.resume, "is no longer paused")

    def _edit(
        self,
        request: HttpRequest,
        queryset: QuerySet[Product],
        action: str,
        verb: Callable[[int], Product],
        outcome: str,
    ) -> TemplateResponse | None:
        def edit(product: Product, *, note: str) -> Product:
            return verb(product.pk)

        def describe(_: Product, result: Product) -> str:
            return f"{result} {outcome}."

        return self.confirm_and_run(
            request, queryset, action=action, verb=edit, describe=describe, form_class=OptionalNoteForm
        )

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        product = self.get_object(request, object_id)
        history: dict[str, Any] = {}
        if product:
            adjustments = product.stock_adjustments.select_related("made_by")
            history = {"changes": changes_of(product), "adjustments": adjustments}
        return super().change_view(request, object_id, form_url, (extra_context or {}) | history)

    def has_pause_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("catalog.pause_product")

    def get_form(
        self, request: HttpRequest, obj: Product | None = None, change: bool = False, **kwargs: Any
    ) -> "type[forms.ModelForm[Product]]":
        if obj is None:
            kwargs["form"] = NewProductForm
        return super().get_form(request, obj, change=change, **kwargs)

    def save_model(self, request: HttpRequest, obj: Product, form: "forms.ModelForm[Product]", change: bool) -> None:
        if change:
            # Only the edited columns: a concurrent pause is kept.
            obj.save(update_fields=[*form.changed_data, "updated_at"])
            snapshots.invalidate(obj.pk)
        else:
            obj.save()
            inventory.open_stock(obj, units=form.cleaned_data["opening_stock"], made_by=staff_of(request))

    def has_delete_permission(self, request: HttpRequest, obj: Product | None = None) -> bool:
        return False


@admin.register(Stock)
class StockAdmin(AdjustingAdmin, ReadOnlyAdmin):
    list_display = ("product", "total", "free_units", "reserved", "sold")
    list_select_related = ("product",)
    search_fields = ("product__name",)
    actions = ("adjust_stock", "export_csv")
    page_actions = ("adjust_stock",)
    export = Export(
        {
            "product_id": "product_id", "product": "product.name", "total": "total", "free": "free",
            "reserved": "reserved", "sold": "sold",
        }
    )  # fmt: skip

    @admin.display(description="free")
    def free_units(self, stock: Stock) -> int:
        return stock.free


@admin.register(StockAdjustment)
class StockAdjustmentAdmin(ReadOnlyAdmin):
    list_display = ("product", "delta", "total_after", "reason", "made_by", "made_at")
    list_select_related = ("product", "made_by")
    search_fields = ("product__name", "reason")
    actions = ("export_csv",)
    export = Export(
        {
            "made_at": "made_at", "product_id": "product_id", "product": "product.name", "delta": "delta",
            "total_after": "total_after", "reason": "reason", "made_by": "made_by.username",
        }
    )  # fmt: skip

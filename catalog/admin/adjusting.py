"""The action that adjusts stock, shared by the lists of products and of stock, and the numbers shown with it."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from unfold.widgets import UnfoldAdminIntegerFieldWidget

from catalog import inventory
from catalog.admin.wording import numbers_of
from catalog.models import Product, Stock, StockAdjustment
from flashsale.core.limits import MAX_INTEGER
from flashsale.core.staff.confirmed_actions import ConfirmedActionsAdmin, NoteForm
from flashsale.core.staff.model_admin import staff_of


class AdjustForm(NoteForm):
    """By how many units the total of each chosen product changes, and the reason."""

    delta = forms.IntegerField(
        label="Units to add",
        min_value=-MAX_INTEGER,
        max_value=MAX_INTEGER,
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text="Added to the total of each product above; write -5 to take 5 away.",
    )
    field_order = ("delta", "note")

    def clean_delta(self) -> int:
        delta: int = self.cleaned_data["delta"]
        if delta == 0:
            raise forms.ValidationError("A change of 0 units changes nothing.")
        return delta


class AdjustingAdmin(ConfirmedActionsAdmin):
    """Products, or their stock, read with `overdue_units`."""

    @admin.action(description="Adjust stock", permissions=["adjust"])
    def adjust_stock(self, request: HttpRequest, queryset: QuerySet[Any]) -> TemplateResponse | None:
        def adjust(row: Product | Stock, *, delta: int, note: str) -> StockAdjustment:
            return inventory.adjust(product_id=row.pk, delta=delta, reason=note, made_by=staff_of(request))

        def describe(row: Product | Stock, adjustment: StockAdjustment) -> str:
            product = row if isinstance(row, Product) else row.product
            before, after = adjustment.total_before, adjustment.total_after
            return f"{product} had {before} units in all: {adjustment.delta:+d} units, {after} in all."

        def numbers(row: Any) -> str:
            stock = row.stock if isinstance(row, Product) else row
            return f"Now: {numbers_of(stock, overdue_units=row.overdue_units)}"

        return self.confirm_and_run(
            request,
            queryset,
            action="adjust_stock",
            verb=adjust,
            describe=describe,
            form_class=AdjustForm,
            effect=numbers,
        )

    def has_adjust_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("catalog.add_stockadjustment")

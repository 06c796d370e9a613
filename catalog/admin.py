"""Products and stock for staff. Counters are only looked at; a stock adjustment changes them."""

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from catalog import inventory
from catalog.models import Product, Stock, StockAdjustment
from flashsale.core.admin import ReadOnlyAdmin, money_column
from flashsale.core.http import MAX_INTEGER


class NewProductForm(forms.ModelForm):
    """A new product comes with its opening stock; later its stock changes by adjustments."""

    opening_stock = forms.IntegerField(min_value=0, max_value=MAX_INTEGER, initial=0, help_text="Units.")


@admin.register(Product)
class ProductAdmin(admin.ModelAdmin):
    list_display = ("name", money_column("price"), "is_published", "sale_starts_at", "sale_ends_at", "paused_at")
    list_filter = ("is_published", "currency")
    search_fields = ("name",)
    readonly_fields = ("paused_at", "created_at", "updated_at")

    def get_form(self, request: HttpRequest, obj: Product | None = None, change: bool = False, **kwargs):
        if obj is None:
            kwargs["form"] = NewProductForm
        return super().get_form(request, obj, change=change, **kwargs)

    def save_model(self, request: HttpRequest, obj: Product, form: forms.ModelForm, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if not change:
            inventory.open_stock(obj, units=form.cleaned_data["opening_stock"], made_by=request.user)

    def has_delete_permission(self, request: HttpRequest, obj: Product | None = None) -> bool:
        return False


@admin.register(Stock)
class StockAdmin(ReadOnlyAdmin):
    list_display = ("product", "total", "reserved", "sold")
    list_select_related = ("product",)
    search_fields = ("product__name",)


@admin.register(StockAdjustment)
class StockAdjustmentAdmin(ReadOnlyAdmin):
    list_display = ("product", "delta", "total_after", "reason", "made_by", "made_at")
    list_select_related = ("product", "made_by")

"""The lists of stock and of its adjustments."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import OuterRef, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils.safestring import SafeString

from catalog import overdue
from catalog.admin.adjusting import AdjustingAdmin
from catalog.admin.wording import numbers_of
from catalog.models import Stock, StockAdjustment
from flashsale.core.staff.confirmed_actions import ReadOnlyAdmin
from flashsale.core.staff.csv_export import Export
from flashsale.core.staff.filters import SearchedFilter, TimeRange
from flashsale.core.staff.links import link_to


class OfProductAdmin(ReadOnlyAdmin):
    """Rows about products, each with the product's id and a link to its page."""

    list_select_related: ClassVar[tuple[str, ...]] = ("product",)

    @admin.display(description="product id", ordering="product_id")
    def product_key(self, row: Stock | StockAdjustment) -> int:
        return row.product_id

    @admin.display(description="product")
    def product_link(self, row: Stock | StockAdjustment) -> SafeString | str:
        return link_to(row.product)


@admin.register(Stock)
class StockAdmin(OfProductAdmin, AdjustingAdmin):
    list_display = ("product_key", "product_link", "available", "in_holds", "sold", "total")
    ordering = ("product_id",)
    when_empty = "The stock of each product appears here when the product is added."
    search_fields = ("=product__id", "product__sku", "product__name")
    search_help_text = "Product id, SKU or name"
    fields = ("product_link", "total", "available", "in_holds", "sold")
    readonly_fields = ("product_link", "available", "in_holds")
    actions = ("adjust_stock", "export_csv")
    page_actions = ("adjust_stock",)
    export = Export(
        {
            "product_id": "product_id", "product": "product.name", "total": "total", "free": "free",
            "reserved": "reserved", "sold": "sold",
        }
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        units = overdue.units_of(OuterRef("pk"), at=Now())
        rows: QuerySet[Any] = super().get_queryset(request).select_related("product").annotate(overdue_units=units)
        return rows

    @admin.display(description="available")
    def available(self, stock: Any) -> int:
        """Return the units that can be held now; overdue ones are among them."""
        return int(stock.free + stock.overdue_units)

    @admin.display(description="reserved")
    def in_holds(self, stock: Any) -> int:
        """Return the units that holds and orders reserve now."""
        return int(stock.reserved - stock.overdue_units)

    def status_line(self, row: Any) -> str:
        return numbers_of(row, overdue_units=row.overdue_units)


@admin.register(StockAdjustment)
class StockAdjustmentAdmin(OfProductAdmin):
    list_display = ("made_at", "product_key", "product_link", "change", "total_before", "total_after", "reason",
                    "author")  # fmt: skip
    list_display_links = ("made_at",)
    list_select_related = ("product", "made_by")
    when_empty = "Each change of a product's total appears here: by how many units, why, by whom and when."
    search_fields = ("=product__id", "product__sku", "product__name", "reason")
    search_help_text = "Product id, SKU, name or reason"
    list_filter = (("product", SearchedFilter), ("made_at", TimeRange))
    list_filter_submit = True
    fields = ("made_at", "product_link", "change", "total_before", "total_after", "reason", "author")
    readonly_fields = ("made_at", "product_link", "change", "total_before", "author")
    actions = ("export_csv",)
    export = Export(
        {
            "made_at": "made_at", "product_id": "product_id", "product": "product.name", "delta": "delta",
            "total_after": "total_after", "reason": "reason", "made_by": "author",
            "account": "made_by.username",
        }
    )  # fmt: skip

    @admin.display(description="units", ordering="delta")
    def change(self, adjustment: StockAdjustment) -> str:
        return f"{adjustment.delta:+d}"

    @admin.display(description="made by", ordering="made_by")
    def author(self, adjustment: StockAdjustment) -> str:
        return adjustment.author or "-"

    @admin.display(description="total before")
    def total_before(self, adjustment: StockAdjustment) -> int:
        return adjustment.total_before

"""Holds for staff, who view and release them."""

from collections.abc import Iterable

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse

from checkout import holds
from checkout.admin import sentences
from checkout.admin.claims import SHARED_FIELDS, ClaimAdmin
from checkout.admin.filters import ShownStatus
from checkout.admin.products import by_product, by_product_name
from checkout.models import Hold, Order
from flashsale.core.staff.columns import label_column, link_column, moment_column, short_id_column, text_column
from flashsale.core.staff.csv_export import Export
from flashsale.core.staff.filters import SearchedFilter, TimeRange
from flashsale.core.staff.links import link_to
from flashsale.core.staff.search import has_uuid

STATUS = label_column(
    "status",
    {"active": "info", "converted": "success"},
    lambda hold: (sentences.shown_status(hold), sentences.shown_status(hold)),
)


@admin.register(Hold)
class HoldAdmin(ClaimAdmin):
    list_display = (
        short_id_column("hold"), link_column("product", "product"), "quantity", text_column("customer_id", "customer"),
        STATUS, moment_column("expires_at", "until"), moment_column("created_at", "time"),
    )  # fmt: skip
    list_filter = (ShownStatus, ("product", SearchedFilter), ("created_at", TimeRange))
    list_select_related = ("product",)
    search_fields = ("id", "customer_id", "product__sku", "product__name")
    search_help_text = "Hold, customer or product"
    when_empty = "A hold appears here when a buyer reserves units of a product."
    actions = ("release", "export_csv")
    page_actions = ("release",)
    readonly_fields = (*SHARED_FIELDS, "resulting_order")
    fieldsets = (
        (None, {"fields": ("whole_id", "product_link", "quantity", "unit_price_shown", "customer", "resulting_order")}),
        ("Times", {"fields": ("placed_at", "expires_at", "ended_at")}),
    )
    export = Export(
        {
            "Hold": "id", "Time": "created_at", "Product": "product.name", "Product id": "product_id",
            "Quantity": "quantity", "Unit price": "unit_price", "Currency": "currency", "Customer": "customer_id",
            "Status": sentences.shown_status, "Until": "expires_at", "Ended at": "ended_at",
        },
        order="created_at",
    )  # fmt: skip

    def look_ups(self, text: str) -> Iterable[QuerySet[Hold] | Q]:
        if named := has_uuid(text):
            yield Hold.objects.filter(named)
        yield Q(customer_id=text)
        yield from by_product(text)

    def names(self, text: str) -> Iterable[Q]:
        return by_product_name(text)

    def is_offered(self, action: str, row: Hold) -> bool:
        return row.status == Hold.Status.ACTIVE

    def status_line(self, row: Hold) -> str:
        return sentences.state_of_hold(row)

    @admin.display(description="Order")
    def resulting_order(self, hold: Hold) -> str:
        return link_to(Order.objects.select_related("product").filter(hold=hold).first())

    @admin.action(description="Release the hold", permissions=["decide"])
    def release(self, request: HttpRequest, queryset: QuerySet[Hold]) -> TemplateResponse | None:
        def release(hold: Hold, *, note: str) -> Hold:
            return holds.revoke(hold.pk)

        def describe(_: Hold, result: Hold) -> str:
            return sentences.released(result)

        return self.confirm_and_run(
            request, queryset, action="release", verb=release, describe=describe, effect=sentences.effect_of_release
        )

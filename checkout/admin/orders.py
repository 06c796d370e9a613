"""Orders for staff, who view and cancel them."""

import json
from collections.abc import Iterable
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.html import format_html_join
from django.utils.safestring import mark_safe

from checkout import order_money, order_story, orders
from checkout.admin import sentences
from checkout.admin.claims import SHARED_FIELDS, ClaimAdmin
from checkout.admin.filters import ShownStatus
from checkout.admin.products import by_product, by_product_name
from checkout.models import Order
from flashsale.core.staff.columns import (
    label_column,
    link_column,
    moment_column,
    money_column,
    short_id_column,
    text_column,
)
from flashsale.core.staff.csv_export import Export
from flashsale.core.staff.filters import SearchedFilter, TimeRange
from flashsale.core.staff.links import link_to
from flashsale.core.staff.search import has_uuid
from flashsale.outbox.admin import resource_pages

STATUS = label_column(
    "status",
    {"paid": "success", "pending payment": "info", "expired": "warning"},
    lambda order: (sentences.shown_status(order), sentences.shown_status(order)),
)
REFUND = label_column("refund", {"due": "danger", "done": "info"}, lambda order: order_money.of(order).label)


def _metadata_text(order: Order) -> str:
    """Return an order's metadata as one cell of a file: JSON, empty for none."""
    return json.dumps(order.metadata, ensure_ascii=False, sort_keys=True) if order.metadata else ""


@admin.register(Order)
class OrderAdmin(ClaimAdmin):
    list_display = (
        short_id_column("order"), link_column("product", "product"), "quantity", money_column("total_amount", "total"),
        text_column("customer_id", "customer"), text_column("payment_id", "payment"), STATUS, REFUND,
        moment_column("created_at", "time"),
    )  # fmt: skip
    list_filter: ClassVar[tuple[Any, ...]] = (ShownStatus, ("product", SearchedFilter), ("created_at", TimeRange))
    list_select_related = ("product",)
    search_fields = ("id", "payment_id", "customer_id", "product__sku", "product__name")
    search_help_text = "Order, hold, payment, customer or product"
    when_empty = "An order appears here when a buyer orders what a hold keeps."
    actions: tuple[str, ...] = ("cancel", "export_csv")
    page_actions: tuple[str, ...] = ("cancel",)
    readonly_fields = (
        *SHARED_FIELDS,
        "total",
        "hold_link",
        "refund_shown",
        "given_back",
        "metadata_shown",
        "its_events",
    )
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "whole_id", "product_link", "quantity", "restocked_units", "unit_price_shown", "total", "customer",
                    "hold_link",
                ),
            },
        ),
        ("Money", {"fields": ("payment_id", "refund_shown", "given_back")}),
        ("Times", {"fields": ("placed_at", "payment_due_at", "paid_at", "closed_at")}),
        ("From the storefront", {"fields": ("metadata_shown",)}),
        ("For the back end", {"fields": ("its_events",)}),
    )  # fmt: skip
    total = staticmethod(money_column("total_amount", "total"))
    export = Export(
        {
            "Order": "id", "Time": "created_at", "Product": "product.name", "Product id": "product_id",
            "Quantity": "quantity", "Total": "total_amount", "Currency": "currency", "Customer": "customer_id",
            "Status": sentences.shown_status, "Payment id": "payment_id", "Paid at": "paid_at",
            "Units put back": "restocked_units",
            "Refund": lambda order: (order_money.of(order).label or ("", ""))[1],
            "Given back": "refunded_amount", "Money back": lambda order: order_money.of(order).back,
            "Unit price": "unit_price", "Payment due at": "payment_due_at", "Closed at": "closed_at", "Hold": "hold_id",
            "Metadata": _metadata_text,
        },
        order="created_at",
    )  # fmt: skip
    change_form_after_template = "checkout/order_story.html"

    def look_ups(self, text: str) -> Iterable[QuerySet[Order] | Q]:
        for column in ("pk", "hold_id"):
            if named := has_uuid(text, column):
                yield Order.objects.filter(named)
        yield Order.objects.filter(payment_id=text)
        yield Order.objects.filter(proved_payment_ids=text)
        yield Q(customer_id=text)
        yield from by_product(text)

    def names(self, text: str) -> Iterable[Q]:
        return by_product_name(text)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        order = self.get_object(request, object_id)
        story = {"story": order_story.story_of(order)} if order else {}
        return super().change_view(request, object_id, form_url, (extra_context or {}) | story)

    def is_offered(self, action: str, row: Order) -> bool:
        return row.status == Order.Status.PENDING_PAYMENT

    def status_line(self, row: Order) -> str:
        return sentences.state_of_order(row)

    @admin.display(description="Hold")
    def hold_link(self, order: Order) -> str:
        return link_to(order.hold)

    @admin.display(description="Refund")
    def refund_shown(self, order: Order) -> str:
        return (order_money.of(order).label or ("", "none"))[1]

    @admin.display(description="Given back")
    def given_back(self, order: Order) -> str:
        return order_money.of(order).given_back or "-"

    @admin.display(description="Metadata")
    def metadata_shown(self, order: Order) -> str:
        """Return what the client stored with the order, one member in each line."""
        lines = format_html_join(mark_safe("<br>"), "{}: {}", sorted(order.metadata.items()))
        return lines or "-"

    @admin.display(description="Shop events")
    def its_events(self, order: Order) -> str:
        """Link the events that told the shop's back end of the order."""
        return resource_pages.events_about(order)

    @admin.action(description="Cancel the order", permissions=["decide"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Order]) -> TemplateResponse | None:
        def cancel(order: Order, *, note: str) -> Order:
            return orders.revoke(order.pk)

        def describe(_: Order, result: Order) -> str:
            return sentences.cancelled(result)

        return self.confirm_and_run(
            request, queryset, action="cancel", verb=cancel, describe=describe, effect=sentences.effect_of_cancellation
        )

"""Holds and orders for staff, who view them, release holds and cancel orders."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from checkout import holds, order_story, orders
from checkout.models import Hold, Order
from flashsale.core.staff.big_tables import BigTableAdmin
from flashsale.core.staff.columns import money_column
from flashsale.core.staff.csv_export import Export
from flashsale.core.staff.filters import TimeRange


@admin.register(Hold)
class HoldAdmin(BigTableAdmin):
    exclude = ("client", "idempotency_key", "body_hash")
    list_display = ("id", "product", "quantity", "customer_id", "status", "expires_at", "created_at")
    list_filter = ("status", ("created_at", TimeRange), "product")
    list_filter_submit = True
    list_select_related = ("product",)
    search_fields = ("id", "customer_id")
    ordering = ("-created_at",)
    actions = ("release", "export_csv")
    page_actions = ("release",)
    export = Export(
        {
            "id": "id", "created_at": "created_at", "product_id": "product_id", "product": "product.name",
            "quantity": "quantity", "unit_price": "unit_price", "currency": "currency", "customer_id": "customer_id",
            "status": "status", "expires_at": "expires_at", "ended_at": "ended_at",
        },
        order="created_at",
    )  # fmt: skip

    def is_offered(self, action: str, row: Hold) -> bool:
        return row.status == Hold.Status.ACTIVE

    @admin.action(description="Release", permissions=["decide"])
    def release(self, request: HttpRequest, queryset: QuerySet[Hold]) -> TemplateResponse | None:
        def release(hold: Hold, *, note: str) -> Hold:
            return holds.revoke(hold.pk)

        def describe(_: Hold, result: Hold) -> str:
            return f"Hold {result}: {result.get_status_display()}."

        warning = "Their buyers lose these units; they are available to all buyers at once."
        return self.confirm_and_run(
            request, queryset, action="release", verb=release, describe=describe, warning=warning
        )


@admin.register(Order)
class OrderAdmin(BigTableAdmin):
    list_display = ("id", "product", "quantity", money_column("total_amount"), "status", "refund", "created_at")
    list_filter = ("status", "refund", ("created_at", TimeRange), "product")
    list_filter_submit = True
    list_select_related = ("product",)
    search_fields = ("id", "customer_id", "payment_id")
    ordering = ("-created_at",)
    actions = ("cancel", "export_csv")
    page_actions = ("cancel",)
    export = Export(
        {
            "id": "id", "created_at": "created_at", "product_id": "product_id", "product": "product.name",
            "quantity": "quantity", "unit_price": "unit_price", "total_amount": "total_amount", "currency": "currency",
            "customer_id": "customer_id", "status": "status", "payment_id": "payment_id", "paid_at": "paid_at",
            "refund": "refund", "refunded_amount": "refunded_amount", "payment_due_at": "payment_due_at",
            "closed_at": "closed_at", "hold_id": "hold_id",
        },
        order="created_at",
    )  # fmt: skip
    exclude = ("client", "idempotency_key", "body_hash")
    change_form_after_template = "checkout/order_story.html"

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        order = self.get_object(request, object_id)
        story: dict[str, Any] = {}
        if order:
            story = {"moments": order_story.moments_of(order), "documents": order_story.documents_of(order)}
        return super().change_view(request, object_id, form_url, (extra_context or {}) | story)

    def is_offered(self, action: str, row: Order) -> bool:
        return row.status == Order.Status.PENDING_PAYMENT

    @admin.action(description="Cancel", permissions=["decide"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Order]) -> TemplateResponse | None:
        def cancel(order: Order, *, note: str) -> Order:
            return orders.revoke(order.pk)

        def describe(_: Order, result: Order) -> str:
            return f"Order {result}: {result.get_status_display()}."

        warning = "Their units are available to all buyers at once. A payment that comes later is due for refund."
        return self.confirm_and_run(request, queryset, action="cancel", verb=cancel, describe=describe, warning=warning)

"""Holds and orders for staff: to look at, and to take back what buyers do not need."""

from datetime import datetime

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import QuerySet
from django.http import HttpRequest

from checkout import holds, orders
from checkout.models import Hold, Order
from flashsale.core import money
from flashsale.core.staff.admin import BigTableAdmin, TimeRange, money_column
from flashsale.core.staff.csv_export import Export


def order_story(order: Order) -> list[tuple[datetime, str]]:
    """Return everything that happened to an order, with times, in order."""
    told = [(order.hold.created_at, f"Hold {order.hold_id} placed"), (order.created_at, "Ordered")]
    for event in order.webhook_events.all():
        told.append((event.received_at, f"Event {event.event_id} received: {event.type}"))
        if event.processed_at:
            told.append((event.processed_at, f"Event {event.event_id} {event.status}: {event.reason or '-'}"))
    for payment in order.payments.prefetch_related("refunds", "disputes"):
        amount = f"{money.render(payment.amount, payment.currency)} {payment.currency}"
        told.append((payment.created_at, f"Payment {payment.payment_id} of {amount}, now {payment.status}"))
        told += [
            (r.answered_at or r.created_at, f"Refund of {payment.payment_id} {r.status}") for r in payment.refunds.all()
        ]
        told += [
            (
                d.created_at,
                f"Dispute {d.dispute_id} of {payment.payment_id} ({d.reason or 'no reason given'}), now {d.status}",
            )
            for d in payment.disputes.all()
        ]
    if order.paid_at:
        told.append((order.paid_at, "Paid"))
    if order.closed_at:
        told.append((order.closed_at, "Expired" if order.paid_at else order.get_status_display()))
    content_type = ContentType.objects.get_for_model(Order)
    for entry in LogEntry.objects.filter(content_type=content_type, object_id=str(order.pk)).select_related("user"):
        told.append((entry.action_time, f"{entry.user}: {entry.get_change_message()}"))
    return sorted(told, key=lambda happened: happened[0])


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
    export = Export(
        {
            "id": "id", "created_at": "created_at", "product_id": "product_id", "product": "product.name",
            "quantity": "quantity", "unit_price": "unit_price", "currency": "currency", "customer_id": "customer_id",
            "status": "status", "expires_at": "expires_at", "ended_at": "ended_at",
        },
        order="created_at",
    )  # fmt: skip

    @admin.action(description="Release holds", permissions=["decide"])
    def release(self, request: HttpRequest, queryset: QuerySet[Hold]):
        def release(hold: Hold, *, note: str) -> Hold:
            return holds.revoke(hold.pk)

        def tell(_: Hold, result: Hold) -> str:
            return f"Hold {result.pk}: {result}."

        warning = "Their buyers lose these units; they are available to everybody at once."
        return self.decide(request, queryset, action="release", verb=release, tell=tell, warning=warning)


@admin.register(Order)
class OrderAdmin(BigTableAdmin):
    list_display = ("id", "product", "quantity", money_column("total_amount"), "status", "refund", "created_at")
    list_filter = ("status", "refund", ("created_at", TimeRange), "product")
    list_filter_submit = True
    list_select_related = ("product",)
    search_fields = ("id", "customer_id", "payment_id")
    ordering = ("-created_at",)
    actions = ("cancel", "export_csv")
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

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context=None):
        order = self.get_object(request, object_id)
        story = {"story": order_story(order), "events": order.webhook_events.order_by("pk")} if order else {}
        return super().change_view(request, object_id, form_url, (extra_context or {}) | story)

    @admin.action(description="Cancel orders", permissions=["decide"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Order]):
        def cancel(order: Order, *, note: str) -> Order:
            return orders.revoke(order.pk)

        def tell(_: Order, result: Order) -> str:
            return f"Order {result.pk}: {result}."

        warning = "Their units are available to everybody at once. A payment that comes later is due for refund."
        return self.decide(request, queryset, action="cancel", verb=cancel, tell=tell, warning=warning)

"""Answers to payment providers."""

from rest_framework import serializers

from flashsale.core.rest.serializers import ResponseSerializer
from payments.inbox import Receipt
from payments.models import WebhookEvent

REPLAY_MESSAGE = "Already handled"
MESSAGES: dict[str, str] = {
    WebhookEvent.Status.PARKED: "Order not found yet",
    WebhookEvent.Status.NEEDS_REVIEW: "Webhook stored for review",
    WebhookEvent.Status.RECEIVED: "Webhook stored",
    WebhookEvent.Status.FAILED: "Webhook stored",
    WebhookEvent.Status.DEAD: "Webhook stored for review",
}


class ReceiptOut(ResponseSerializer):
    """The outcome of an event so far."""

    message = serializers.SerializerMethodField(help_text="For people; programs look at `outcome`.")
    outcome = serializers.CharField(
        source="event.status",
        help_text="`applied`, `ignored`, `parked` (its order does not exist yet), `needs_review` (staff look at it);"
        " `received` or `failed` while the worker is to finish it, `dead` when it gave up.",
    )
    idempotency_key = serializers.CharField(source="event.event_id", help_text="The event's id.")
    order_id = serializers.SerializerMethodField(help_text="The order it is about, if it is known.")
    order_status = serializers.SerializerMethodField(help_text="Null while the order does not exist.")
    payment_id = serializers.SerializerMethodField()

    def get_message(self, receipt: Receipt) -> str:
        if receipt.is_replay:
            return REPLAY_MESSAGE
        return MESSAGES.get(receipt.event.status, "Webhook processed")

    def get_order_id(self, receipt: Receipt) -> str | None:
        order_id = receipt.event.order_id or receipt.event.order_ref
        return str(order_id) if order_id else None

    def get_order_status(self, receipt: Receipt) -> str | None:
        order = receipt.event.order
        return order.status_at(receipt.answered_at) if order else None

    def get_payment_id(self, receipt: Receipt) -> str | None:
        order = receipt.event.order
        return receipt.event.payment_ref or (order.payment_id if order else None)

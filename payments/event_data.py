"""What events tell of a payment, and of a provider's event that staff have to decide about."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from flashsale.core import money
from flashsale.core.rest.fields import MONEY, MomentField
from flashsale.core.rest.serializers import ResponseSerializer
from flashsale.outbox.resources import Resource, Snapshot
from payments import payment_events
from payments.models import Payment, WebhookEvent
from payments.serializers import RecordedPaymentOut

# The rest of a provider's event, its body and headers above all, leaves the shop by no event of its own.
COLUMNS = (
    "provider", "event_id", "type", "kind", "status", "reason", "payment_ref", "order", "order_ref", "amount",
    "currency", "received_at",
)  # fmt: skip


class PaymentInEvent(RecordedPaymentOut):
    """A payment as events tell of it: without its lists of refunds, which may be longer than an event."""

    refunds = None  # type: ignore[assignment]
    refund_attempts = None  # type: ignore[assignment]


class ReviewedEventOut(ResponseSerializer):
    """An event of a payment provider that staff have to decide about."""

    event_id = serializers.CharField(help_text="The provider's id.")
    provider = serializers.CharField()
    type = serializers.CharField(help_text="The provider's own name for what happened.")
    kind = serializers.CharField(help_text="What that means: `success`, `failure`, `refunded`, ...")
    status = serializers.CharField(help_text="`needs_review`, or `dead`: it could not be processed.")
    reason = serializers.CharField(help_text="Why it has this status, in a word.")
    payment_id = serializers.CharField(source="payment_ref", allow_null=True, help_text="Null: it names none.")
    order_id = serializers.SerializerMethodField(help_text="Of the order that it names or means; null: none is known.")
    amount = serializers.SerializerMethodField(help_text="Null: it names none.")
    currency = serializers.CharField(help_text="Empty: it names none.")
    received_at = MomentField()

    @extend_schema_field({"type": ["string", "null"], "format": "uuid"})
    def get_order_id(self, event: WebhookEvent) -> str | None:
        order_id = event.order_id or event.order_ref
        return str(order_id) if order_id else None

    @extend_schema_field(MONEY | {"type": ["string", "null"]})
    def get_amount(self, event: WebhookEvent) -> str | None:
        return None if event.amount is None else money.render(event.amount, event.currency)


def _payment(snapshot: Snapshot) -> dict[str, Any]:
    return PaymentInEvent.data_of(snapshot.instance(Payment))


def _event(snapshot: Snapshot) -> dict[str, Any]:
    return ReviewedEventOut.data_of(snapshot.instance(WebhookEvent))


PAYMENTS = Resource(
    payment_events.RESOURCE, rows=lambda: Payment.objects.defer("refunded_by", "refunded_note"), data_of=_payment
)
EVENTS = Resource(
    payment_events.EVENT_RESOURCE, rows=lambda: WebhookEvent.objects.only(*COLUMNS), data_of=_event
)  # fmt: skip

"""What payments add to the story of an order: its events, payments, refunds and disputes."""

from collections.abc import Iterator

from django.urls import reverse

from checkout.models import Order
from checkout.order_story import Document, Moment
from flashsale.core import money
from payments.models import Payment, WebhookEvent


def moments_of(order: Order) -> Iterator[Moment]:
    """Yield what happened to the order's events and money, with times."""
    for event in WebhookEvent.objects.filter(order=order):
        yield event.received_at, f"Event {event.event_id} received: {event.type}"
        if event.processed_at:
            yield event.processed_at, f"Event {event.event_id} {event.status}: {event.reason or '-'}"
    for payment in Payment.objects.filter(order=order).prefetch_related("refunds", "disputes"):
        yield from _moments_of_payment(payment)


def documents_of(order: Order) -> Iterator[Document]:
    """Yield the order's events with their raw bodies."""
    for event in WebhookEvent.objects.filter(order=order).order_by("pk"):
        url = reverse("admin:payments_webhookevent_change", args=[event.pk])
        yield Document(title=str(event), url=url, text=event.body_text)


def _moments_of_payment(payment: Payment) -> Iterator[Moment]:
    payment_id = payment.payment_id
    amount = f"{money.render(payment.amount, payment.currency)} {payment.currency}"
    yield payment.created_at, f"Payment {payment_id} of {amount}, now {payment.status}"
    for refund in payment.refunds.all():
        yield refund.answered_at or refund.created_at, f"Refund of {payment_id} {refund.status}"
    for dispute in payment.disputes.all():
        reason = dispute.reason or "no reason given"
        yield dispute.created_at, f"Dispute {dispute.dispute_id} of {payment_id} ({reason}), now {dispute.status}"

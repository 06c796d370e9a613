"""The only writer of payments: recorded when a provider took money, given back when it was refunded."""

from datetime import datetime
from decimal import Decimal

from django.db.models import Sum

from checkout import orders
from checkout.models import Order
from payments.models import Payment, WebhookEvent


class RefundTooLarge(Exception):
    """More would be given back than was paid."""


def payment_id_of(event: WebhookEvent) -> str:
    """Return what the event's payment is known by: the provider's payment id, else the event's own id."""
    return event.payment_ref or event.event_id


def record(event: WebhookEvent, order: Order, *, status: Payment.Status, reason: str = "", now: datetime) -> Payment:
    """Store money that the event says was taken for this locked order; without an amount it is the order's total."""
    payment = Payment.objects.create(
        provider=event.provider,
        payment_id=payment_id_of(event),
        order=order,
        event=event,
        amount=order.total_amount if event.amount is None else event.amount,
        currency=order.currency,
        status=status,
        reason=reason,
        created_at=now,
    )
    _tell_order(order)
    return payment


def give_back(payment: Payment, order: Order, *, amount: Decimal) -> None:
    """Record that `amount` of the payment was given back; both rows' order is locked by this transaction.

    Raises `RefundTooLarge`.
    """
    refunded = payment.refunded_amount + amount
    if refunded > payment.amount:
        raise RefundTooLarge
    payment.refunded_amount = refunded
    if refunded == payment.amount:
        payment.status = Payment.Status.REFUNDED
    payment.save(update_fields=["refunded_amount", "status"])
    _tell_order(order)


def _tell_order(order: Order) -> None:
    statuses = set(order.payments.values_list("status", flat=True))
    state = Order.Refund.NONE
    if Payment.Status.REFUND_DUE in statuses:
        state = Order.Refund.DUE
    elif Payment.Status.REFUNDED in statuses:
        state = Order.Refund.DONE
    refunded = order.payments.aggregate(total=Sum("refunded_amount"))["total"] or Decimal(0)
    orders.note_refund(order, state=state, refunded_amount=refunded)

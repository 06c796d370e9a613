"""The only writer of payments: recorded when a provider took money, changed when it was refunded.

A payment is changed under its order's row lock, where it has an order, and its own.
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from django.db.models import F, Sum

from checkout import orders
from checkout.models import Order
from flashsale.core import events, rows
from flashsale.core.refusals import NotFound
from flashsale.core.statements import Query, Statement, array
from flashsale.core.transactions import defer_to_commit
from payments.models import Payment, WebhookEvent

REFUND_FAILED = "refund_failed"

_RECORDED = """
SELECT provider, payment_id FROM payments_payment WHERE provider = ANY(%s::text[]) AND payment_id = ANY(%s::text[])
"""


class RefundTooLarge(Exception):
    """The refunds of a payment would exceed its amount."""


def find(event: WebhookEvent) -> Payment | None:
    """Return the payment of an event, if it is recorded already."""
    return Payment.objects.filter(provider=event.provider, payment_id=event.payment_id).first()


def lock(payment: Payment) -> Payment:
    """Lock a payment, after its order, until the transaction ends; returns it as it is now. Raises `NotFound`."""
    if payment.order_id:
        orders.lock(payment.order_id)
    locked = Payment.objects.select_for_update(no_key=True, of=("self",)).filter(pk=payment.pk).first()
    if locked is None:
        raise NotFound("There is no such payment.")
    return locked


def record(
    event: WebhookEvent,
    order: Order | None,
    *,
    amount: Decimal | None = None,
    currency: str = "",
    status: Payment.Status,
    reason: str = "",
    now: datetime,
) -> Payment:
    """Store money that the event says was taken, for a locked order or for none.

    `amount` (in units of `currency`, ISO 4217) and `currency` are the event's unless given; where the event names none,
    they are the order's. Raises `ValueError` when nothing says how much it was.
    """
    amount, currency = amount or event.amount, currency or event.currency
    if order is not None:
        amount, currency = amount or order.total_amount, currency or order.currency
    if amount is None:
        raise ValueError("nothing says how much was paid")
    payment = Payment.objects.create(
        provider=event.provider,
        payment_id=event.payment_id,
        order=order,
        event=event,
        amount=amount,
        currency=currency,
        status=status,
        reason=reason,
        created_at=now,
    )
    if status != Payment.Status.APPLIED:
        _update_order_refund(payment)
    if status == Payment.Status.REFUND_DUE:
        _record_event("refund_due", payment)
    return payment


def recorded_query(events: Iterable[WebhookEvent]) -> Query[set[tuple[str, str]]]:
    """Return which of these events' payments are recorded already, by provider and payment id."""
    keys = [event.payment_key for event in events]
    providers, payment_ids = {provider for provider, _ in keys}, [payment_id for _, payment_id in keys]
    return Query(
        [Statement(_RECORDED, [array(providers), array(payment_ids)])],
        lambda results: {(row["provider"], row["payment_id"]) for row in results[0]},
    )


def record_all(paid: Iterable[tuple[WebhookEvent, Order]], *, now: datetime) -> None:
    """Store, with the COMMIT, the payments that bought these locked orders, each for its whole price."""
    payments = [
        Payment(
            provider=event.provider,
            payment_id=event.payment_id,
            order=order,
            event=event,
            amount=order.total_amount,
            currency=order.currency,
            status=Payment.Status.APPLIED,
            created_at=now,
        )
        for event, order in paid
    ]
    defer_to_commit(rows.insertion(payments))


def record_refund(payment: Payment, *, amount: Decimal) -> None:
    """Record that `amount` of a locked payment, in units of its currency, was refunded. Raises `RefundTooLarge`."""
    refunded = payment.refunded_amount + amount
    if refunded > payment.amount:
        raise RefundTooLarge
    payment.refunded_amount = refunded
    if refunded == payment.amount:
        payment.status = Payment.Status.REFUNDED
        _record_event("payment_refunded", payment)
    payment.save(update_fields=["refunded_amount", "status", "refunded_by", "refunded_note"])
    _update_order_refund(payment)


def reverse_refund(payment: Payment, *, amount: Decimal) -> None:
    """Record that a refund of `amount`, in units of the payment's currency, failed after it was sent.

    A locked payment that was refunded is then due for refund again. An amount that was never counted as refunded is not
    subtracted.
    """
    if amount <= payment.refunded_amount:
        payment.refunded_amount -= amount
    if payment.status != Payment.Status.APPLIED and payment.refunded_amount < payment.amount:
        payment.status, payment.reason = Payment.Status.REFUND_DUE, REFUND_FAILED
        _record_event("refund_due", payment)
    payment.save(update_fields=["refunded_amount", "status", "reason"])
    _update_order_refund(payment)


def _record_event(event: str, payment: Payment) -> None:
    events.record_on_commit(
        event, order_id=payment.order_id, payment_id=payment.payment_id, provider=payment.provider,
        amount=str(payment.amount), currency=payment.currency, reason=payment.reason,
    )  # fmt: skip


def _update_order_refund(payment: Payment) -> None:
    order = payment.order
    if order is None:
        return
    of_order = Payment.objects.filter(order=order)
    statuses = set(of_order.values_list("status", flat=True))
    state = Order.Refund.NONE
    if Payment.Status.REFUND_DUE in statuses:
        state = Order.Refund.DUE
    elif Payment.Status.REFUNDED in statuses:
        state = Order.Refund.DONE
    in_its_currency = of_order.filter(currency=F("order__currency"))
    refunded = in_its_currency.aggregate(total=Sum("refunded_amount"))["total"] or Decimal(0)
    orders.set_refund_state(order, state=state, refunded_amount=refunded)

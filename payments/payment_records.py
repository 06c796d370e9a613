"""The only writer of payments: recorded when a provider took money, changed when it was refunded.

A payment is changed under its order's row lock, where it has an order, and its own. With each change of what has to be
given back, or was, goes an event for the shop's back end (`payment_events`).
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from checkout import orders
from checkout.models import Order
from flashsale.core import clock, events, money, rows
from flashsale.core.refusals import NotFound, Refusal
from flashsale.core.statements import Query, Statement, array
from flashsale.core.transactions import defer_to_commit
from payments import payment_events
from payments.models import Payment, PaymentQuerySet, Refund, WebhookEvent

REFUND_FAILED = "refund_failed"
REQUESTED = "requested"

_RECORDED = """
SELECT provider, payment_id FROM payments_payment WHERE provider = ANY(%s::text[]) AND payment_id = ANY(%s::text[])
"""


class RefundTooLarge(Refusal):
    """The refunds of a payment would exceed its amount.

    Carries `paid`, `refunded` and `due` (for refund already): decimal strings in units of `currency`.
    """

    code = "refund_too_large"
    title = "More than is left of the payment"

    def __init__(self, payment: Payment) -> None:
        currency = payment.currency
        paid, refunded, due, left = (
            money.render(amount, currency)
            for amount in (payment.amount, payment.refunded_amount, payment.amount_due, payment.amount_left)
        )
        super().__init__(
            f"At most {left} {currency} can be refunded: {paid} were paid, {refunded} were given back, and {due} are"
            " due for refund already.",
            paid=paid,
            refunded=refunded,
            due=due,
            currency=currency,
        )


def due() -> PaymentQuerySet:
    """Return the payments of which something has to be given back (`amount_due`), in whole or in part."""
    return Payment.objects.refund_due()


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
        payment_events.record_due(payment, amount=payment.amount, previous_status=None)
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


def request_refund(payment: Payment, *, amount: Decimal) -> None:
    """Make `amount` of a locked payment, in units of its currency, due for refund, beside what is due already.

    Raises `RefundTooLarge`.
    """
    if amount > payment.amount_left:
        raise RefundTooLarge(payment)
    if not payment.amount_due:
        payment.due_since = clock.now()
    payment.refund_target = max(payment.refund_target, payment.refunded_amount) + amount
    _record_event("refund_due", payment, amount=amount, reason=REQUESTED)
    payment.save(update_fields=["refund_target", "due_since"])
    _update_order_refund(payment)
    payment_events.record_requested(payment, amount=amount)


def record_refund(payment: Payment, *, amount: Decimal) -> None:
    """Record that `amount` of a locked payment, in units of its currency, was refunded. Raises `RefundTooLarge`."""
    previous_status = payment.status
    _give_back(payment, amount=amount)
    payment_events.record_done(payment, amount=amount, by_other_means=False, previous_status=previous_status)


def record_refund_by_other_means(payment: Payment, *, amount: Decimal, staff: Any, note: str) -> None:
    """Record, as `record_refund` does, what staff gave back without the provider; `note` says how."""
    previous_status = payment.status
    payment.refunded_by, payment.refunded_note = staff, note
    payment.refunded_by_other_means += amount
    _give_back(payment, amount=amount)
    payment_events.record_done(payment, amount=amount, by_other_means=True, previous_status=previous_status)


def reverse_refund(payment: Payment, refund: Refund, *, amount: Decimal) -> None:
    """Record that a refund failed after it was sent; `amount` of it, in units of the currency, was recorded.

    What a locked payment was refunded, or was to be, is then due for refund again. An amount that its provider never
    gave back is not subtracted.
    """
    previous_status = payment.status
    if amount <= payment.amount_refunded_by_provider:
        payment.refunded_amount -= amount
    if payment.status != Payment.Status.APPLIED and payment.refunded_amount < payment.amount:
        payment.status = Payment.Status.REFUND_DUE
    due_again = payment.amount_due
    if due_again:
        payment.reason, payment.due_since = REFUND_FAILED, clock.now()
        _record_event("refund_due", payment, amount=due_again)
    payment.save(update_fields=["refunded_amount", "status", "reason", "due_since"])
    _update_order_refund(payment)
    payment_events.record_failed(payment, refund, is_retried=False, previous_status=previous_status)
    if due_again:
        payment_events.record_due(payment, amount=due_again, previous_status=previous_status)


def _give_back(payment: Payment, *, amount: Decimal) -> None:
    if payment.refunded_amount + amount > payment.amount:
        raise RefundTooLarge(payment)
    payment.refunded_amount += amount
    if payment.refunded_amount == payment.amount:
        payment.status = Payment.Status.REFUNDED
        _record_event("payment_refunded", payment)
    else:
        _record_event("payment_partly_refunded", payment, amount=amount)
    if payment.status == Payment.Status.APPLIED and not payment.amount_due:
        # What failed was given back after all: the next refund may be sent through the provider.
        payment.reason = ""
    columns = ("refunded_amount", "refunded_by_other_means", "status", "reason", "refunded_by", "refunded_note")
    payment.save(update_fields=columns)
    _update_order_refund(payment)


def _record_event(event: str, payment: Payment, *, amount: Decimal | None = None, reason: str | None = None) -> None:
    """Log and count, on commit, what happened to `amount` (by default all) of a payment."""
    events.record_on_commit(
        event, order_id=payment.order_id, payment_id=payment.payment_id, provider=payment.provider,
        amount=str(payment.amount if amount is None else amount), currency=payment.currency,
        reason=payment.reason if reason is None else reason,
    )  # fmt: skip


def _update_order_refund(payment: Payment) -> None:
    """Set the refund columns of a payment's order: `due` while anything is, then `done`, and what was given back."""
    order = payment.order
    if order is None:
        return
    of_order = list(Payment.objects.filter(order=order))
    state = Order.Refund.NONE
    if any(of_it.amount_due for of_it in of_order):
        state = Order.Refund.DUE
    elif any(of_it.is_refund_done for of_it in of_order):
        state = Order.Refund.DONE
    refunded = sum((of_it.refunded_amount for of_it in of_order if of_it.currency == order.currency), Decimal(0))
    orders.set_refund_state(order, state=state, refunded_amount=refunded)

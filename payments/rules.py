"""What an event does to its order and its money: one function for each kind of event.

Every function runs inside a transaction that holds the event's and the order's row locks, and returns a verdict.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import QuerySet

from catalog import overdue
from catalog.inventory import InsufficientStock
from catalog.sales import LimitExceeded
from checkout import orders
from checkout.models import Order
from flashsale.core import clock
from flashsale.core.refusals import Refusal
from payments import ledger, refunds
from payments.models import Payment, Refund, WebhookEvent
from payments.providers.base import Message

Status = WebhookEvent.Status
ABOUT_REFUNDS = frozenset({WebhookEvent.Kind.REFUNDED, WebhookEvent.Kind.REFUND_FAILED})
# Why money that was taken cannot buy the order, by what refused it.
REFUND_REASONS: dict[type[Refusal], str] = {
    orders.OrderAlreadyPaid: "order_already_paid",
    orders.OrderNotPending: "order_cancelled",
    InsufficientStock: "units_gone",
    LimitExceeded: "limit_exceeded",
}


IGNORED_KINDS = {
    WebhookEvent.Kind.UNKNOWN: "unknown_type",
    WebhookEvent.Kind.NOTED: "changes_nothing",
}


@dataclass(frozen=True)
class Verdict:
    """What became of an event, and why, in a word; and when, where that was read from the database's clock already."""

    status: WebhookEvent.Status
    reason: str = ""
    at: datetime | None = None


class TakeBackFirst(Exception):
    """A late payment finds too few units, or its customer has too many, and some are overdue: take those back first."""

    def __init__(self, product_id: int) -> None:
        super().__init__(product_id)
        self.product_id = product_id


def on_receipt(message: Message, *, is_id_reused: bool) -> Verdict:
    """Return what can be said without looking for the order; an event that is to be processed is `received`."""
    if is_id_reused:
        return _review("event_id_reused")
    if message.kind in IGNORED_KINDS:
        return Verdict(Status.IGNORED, IGNORED_KINDS[message.kind])
    if message.malformed:
        return _review("malformed_field")
    if message.order_id or message.hold_id or message.payment_id:
        return Verdict(Status.RECEIVED)
    if message.kind == WebhookEvent.Kind.FAILURE:
        return Verdict(Status.IGNORED, "no_reference")
    return _review("no_reference")


def is_plain_payment(event: WebhookEvent, order: Order, *, now: datetime) -> bool:
    """Say whether a success pays its order without anything to decide: what `apply` would do then is `order_paid`.

    The caller has seen that the payment is unknown and that no other order has its id.
    """
    return (
        event.kind == WebhookEvent.Kind.SUCCESS
        and event.hold_ref in (None, order.hold_id)
        and event.currency in ("", order.currency)
        and event.amount in (None, order.total_amount)
        and order.status_at(now) == Order.Status.PENDING_PAYMENT
    )


def apply(event: WebhookEvent, order: Order, *, may_take_back: bool) -> Verdict:
    """Apply the event to its order, or leave it to staff when something about it is in doubt.

    Raises `TakeBackFirst` where that may help and `may_take_back` is set.
    """
    if event.currency and event.currency != order.currency:
        return _review("currency_differs")
    is_of_refund = event.kind in ABOUT_REFUNDS
    if not is_of_refund and event.amount is not None and event.amount != order.total_amount:
        return _review("amount_differs")
    if is_of_refund and (doubt := _doubt_about_refund(event, order.payments.all())):
        return doubt
    return act(event, order, may_take_back=may_take_back)


def apply_without_order(event: WebhookEvent) -> Verdict | None:
    """Apply an event to money that belongs to no order; None when it speaks of none."""
    if event.kind not in ABOUT_REFUNDS or not event.payment_ref:
        return None
    payments = Payment.objects.filter(order=None)
    if not _named_in(event, payments):
        return None
    return _doubt_about_refund(event, payments) or _act_on_refund(event, payments)


def act(event: WebhookEvent, order: Order, *, may_take_back: bool) -> Verdict:
    """Apply the event to its order, whatever doubts there were. Raises as `apply` does."""
    if event.kind in ABOUT_REFUNDS:
        return _act_on_refund(event, order.payments.all())
    if event.kind == WebhookEvent.Kind.FAILURE:
        return _failed(event, order)
    return _succeeded(event, order, may_take_back=may_take_back)


def _succeeded(event: WebhookEvent, order: Order, *, may_take_back: bool) -> Verdict:
    known = ledger.find(event)
    if known is not None:
        is_ours = known.order_id == order.pk
        return Verdict(Status.IGNORED, "payment_already_known") if is_ours else _review("payment_of_another_order")
    if order.status == Order.Status.PAID and _is_the_orders_one_payment(event, order):
        return Verdict(Status.IGNORED, "order_already_paid")
    try:
        orders.mark_paid(order, payment_id=event.payment_ref)
    except Refusal as refusal:
        if type(refusal) not in REFUND_REASONS:
            raise
        if may_take_back and _may_pass_without_overdue(refusal, order):
            raise TakeBackFirst(order.product_id) from None
        ledger.record(
            event, order, status=Payment.Status.REFUND_DUE, reason=REFUND_REASONS[type(refusal)], now=clock.now()
        )
        return Verdict(Status.APPLIED, "refund_due")
    ledger.record(event, order, status=Payment.Status.APPLIED, now=order.paid_at)
    return Verdict(Status.APPLIED, "order_paid", at=order.paid_at)


def _may_pass_without_overdue(refusal: Refusal, order: Order) -> bool:
    if isinstance(refusal, LimitExceeded):
        return refusal.is_by_overdue
    return isinstance(refusal, InsufficientStock) and bool(overdue.count(order.product_id, at=clock.now()))


def _is_the_orders_one_payment(event: WebhookEvent, order: Order) -> bool:
    """Say whether this success on a paid order may be the very payment it was paid with.

    It is, when it names no payment, or names the order's while the one that paid it named none.
    """
    if event.payment_ref is None:
        return True
    paid_by_unnamed = order.payments.filter(status=Payment.Status.APPLIED, event__payment_ref__isnull=True).exists()
    return event.payment_ref == order.payment_id and paid_by_unnamed


def _review(reason: str) -> Verdict:
    return Verdict(Status.NEEDS_REVIEW, reason)


def _failed(event: WebhookEvent, order: Order) -> Verdict:
    if event.payment_ref and order.payment_id and event.payment_ref != order.payment_id:
        return Verdict(Status.IGNORED, "other_payment")
    try:
        orders.mark_cancelled(order)
    except orders.OrderAlreadyPaid:
        return Verdict(Status.IGNORED, "order_already_paid")
    except orders.OrderNotPending:
        return Verdict(Status.IGNORED, "order_not_pending")
    return Verdict(Status.APPLIED, "order_cancelled")


def _named_in(event: WebhookEvent, payments: QuerySet[Payment]) -> Payment | None:
    """Return the one payment that an event about a refund can mean."""
    if event.payment_ref:
        payments = payments.filter(provider=event.provider, payment_id=event.payment_ref)
    candidates = list(payments[:2])
    return candidates[0] if len(candidates) == 1 else None


def _doubt_about_refund(event: WebhookEvent, payments: QuerySet[Payment]) -> Verdict | None:
    """Return what becomes of an event about a refund that may be out of date or not ours to act on, else None."""
    payment = _named_in(event, payments)
    if payment is None:
        return _review("payment_unknown")
    if event.currency and event.currency != payment.currency:
        return _review("currency_differs")
    if event.kind == WebhookEvent.Kind.REFUND_FAILED:
        # Part of the price of a good order was to go back and did not: whether it is still owed, only staff know.
        return _review("refund_failed") if payment.status == Payment.Status.APPLIED else None
    # A running total may have been counted before a refund failed, and arrive after it.
    may_be_outdated = event.amount_is_total and payment.refunds.filter(status=Refund.Status.FAILED).exists()
    if not may_be_outdated or not _given_back(event, payment) > 0:
        return None
    if payment.refunds.filter(status=Refund.Status.SENT).exists():
        return Verdict(Status.IGNORED, "own_refund_under_way")
    return _review("refund_after_a_failed_one")


def _act_on_refund(event: WebhookEvent, payments: QuerySet[Payment]) -> Verdict:
    payment = _named_in(event, payments)
    if payment is None:
        return _review("payment_unknown")
    payment = ledger.lock(payment)
    act = _refund_failed if event.kind == WebhookEvent.Kind.REFUND_FAILED else _refunded
    return act(event, payment)


def _refund_failed(event: WebhookEvent, payment: Payment) -> Verdict:
    if event.refund_ref is None:
        return _review("refund_unknown")
    amount = payment.amount if event.amount is None else event.amount
    try:
        refunds.note_failure(payment, refund_id=event.refund_ref, amount=amount)
    except refunds.AlreadyFailed:
        return Verdict(Status.IGNORED, "already_failed")
    return Verdict(Status.APPLIED, "refund_failed")


def _refunded(event: WebhookEvent, payment: Payment) -> Verdict:
    amount = _given_back(event, payment)
    if payment.status == Payment.Status.REFUNDED or amount <= 0:
        return Verdict(Status.IGNORED, "already_refunded")
    try:
        ledger.give_back(payment, amount=amount)
    except ledger.RefundTooLarge:
        return _review("refund_exceeds_payment")
    return Verdict(Status.APPLIED, "refunded")


def _given_back(event: WebhookEvent, payment: Payment) -> Decimal:
    """Return by how much this event raises what was given back; without an amount, by the rest."""
    if event.amount is None:
        return payment.amount - payment.refunded_amount
    return event.amount - payment.refunded_amount if event.amount_is_total else event.amount

"""What an event does to its order and its money: one function for each kind of event.

Every function runs inside a transaction that holds the event's and the order's row locks, and returns a verdict.
"""

from dataclasses import dataclass
from decimal import Decimal

from catalog import overdue
from catalog.inventory import InsufficientStock
from catalog.sales import LimitExceeded
from checkout import orders
from checkout.models import Order
from flashsale.core import clock
from flashsale.core.refusals import Refusal
from payments import ledger
from payments.models import Payment, WebhookEvent

Status = WebhookEvent.Status
# Why money that was taken cannot buy the order, by what refused it.
REFUND_REASONS: dict[type[Refusal], str] = {
    orders.OrderAlreadyPaid: "order_already_paid",
    orders.OrderNotPending: "order_cancelled",
    InsufficientStock: "units_gone",
    LimitExceeded: "limit_exceeded",
}


@dataclass(frozen=True)
class Verdict:
    """What became of an event, and why, in a word."""

    status: WebhookEvent.Status
    reason: str = ""


class TakeBackFirst(Exception):
    """A late payment finds too few units while others are overdue: undo, take those back, decide again."""

    def __init__(self, product_id: int) -> None:
        super().__init__(product_id)
        self.product_id = product_id


def apply(event: WebhookEvent, order: Order, *, may_take_back: bool) -> Verdict:
    """Apply the event to its order. Raises `TakeBackFirst` where that may help and `may_take_back` is set."""
    if event.currency and event.currency != order.currency:
        return _review("currency_differs")
    if event.kind == WebhookEvent.Kind.REFUNDED:
        return _refunded(event, order)
    if event.amount is not None and event.amount != order.total_amount:
        return _review("amount_differs")
    if event.kind == WebhookEvent.Kind.FAILURE:
        return _failed(event, order)
    return _succeeded(event, order, may_take_back=may_take_back)


def _succeeded(event: WebhookEvent, order: Order, *, may_take_back: bool) -> Verdict:
    known = Payment.objects.filter(provider=event.provider, payment_id=ledger.payment_id_of(event)).first()
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
        is_short = isinstance(refusal, InsufficientStock) and may_take_back
        if is_short and overdue.count(order.product_id, at=clock.now()):
            raise TakeBackFirst(order.product_id) from None
        ledger.record(
            event, order, status=Payment.Status.REFUND_DUE, reason=REFUND_REASONS[type(refusal)], now=clock.now()
        )
        return Verdict(Status.APPLIED, "refund_due")
    ledger.record(event, order, status=Payment.Status.APPLIED, now=clock.now())
    return Verdict(Status.APPLIED, "order_paid")


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


def _refunded(event: WebhookEvent, order: Order) -> Verdict:
    payments = order.payments.all()
    if event.payment_ref:
        payments = payments.filter(provider=event.provider, payment_id=event.payment_ref)
    candidates = list(payments[:2])
    if len(candidates) != 1:
        return _review("payment_unknown")
    payment = candidates[0]
    if payment.status == Payment.Status.REFUNDED:
        return Verdict(Status.IGNORED, "already_refunded")
    amount = _given_back(event, payment)
    if amount <= 0:
        return Verdict(Status.IGNORED, "already_refunded")
    try:
        ledger.give_back(payment, order, amount=amount)
    except ledger.RefundTooLarge:
        return _review("refund_exceeds_payment")
    return Verdict(Status.APPLIED, "refunded")


def _given_back(event: WebhookEvent, payment: Payment) -> Decimal:
    """Return by how much this event raises what was given back; without an amount, by the rest."""
    if event.amount is None:
        return payment.amount - payment.refunded_amount
    return event.amount - payment.refunded_amount if event.amount_is_total else event.amount

"""What an event does to its order and its money: one function for each kind of event.

Every function runs inside a transaction that holds the event's and the order's row locks, and returns a verdict.
"""

from datetime import datetime, timedelta

from django.conf import settings

from catalog import overdue
from catalog.inventory import InsufficientStock
from catalog.sales import LimitExceeded
from checkout import orders, proved_payments
from checkout.models import Order
from flashsale.core import clock
from flashsale.core.refusals import Refusal
from payments import disputes, payment_records
from payments.inbox import refund_rules
from payments.inbox.verdicts import Verdict, review
from payments.models import Payment, WebhookEvent
from payments.providers import PROVIDERS
from payments.providers.base import Message

Status = WebhookEvent.Status
# Members that name an order; what another shop on the same account puts there cannot be read here.
NAMES_OF_ORDERS = frozenset({"order_id", "hold_id", "client_reference_id"})
# Why money that was taken cannot buy the order, by what refused it.
REFUND_REASONS: dict[type[Refusal], str] = {
    orders.OrderAlreadyPaid: "order_already_paid",
    orders.OrderNotPending: "order_cancelled",
    InsufficientStock: "units_gone",
    LimitExceeded: "limit_exceeded",
}


IGNORED_KINDS = {
    WebhookEvent.Kind.UNKNOWN: "unknown_type",
    WebhookEvent.Kind.INFORMATIONAL: "changes_nothing",
}


def on_receipt(message: Message, *, is_id_reused: bool) -> Verdict:
    """Return what can be said without looking for the order; an event that is to be processed is `received`."""
    if is_id_reused:
        return review("event_id_reused")
    if message.kind in IGNORED_KINDS:
        return Verdict(Status.IGNORED, IGNORED_KINDS[message.kind])
    if message.malformed:
        is_of_others = message.kind == WebhookEvent.Kind.FAILURE and message.malformed in NAMES_OF_ORDERS
        return Verdict(Status.IGNORED, "not_our_order") if is_of_others else review("malformed_field")
    if message.order_id or message.hold_id or message.payment_id:
        return Verdict(Status.RECEIVED)
    if message.kind == WebhookEvent.Kind.FAILURE:
        return Verdict(Status.IGNORED, "no_reference")
    return review("no_reference")


def is_plain_payment(event: WebhookEvent, order: Order, *, now: datetime) -> bool:
    """Say whether a success pays its order without anything to decide: what `apply` would do then is `order_paid`.

    The caller has seen that the payment is unknown and that its id is proved for no other order.
    """
    return (
        event.kind == WebhookEvent.Kind.SUCCESS
        and event.hold_ref in (None, order.hold_id)
        and event.currency in ("", order.currency)
        and event.amount in (None, order.total_amount)
        and order.status_at(now) == Order.Status.PENDING_PAYMENT
    )


def apply(event: WebhookEvent, order: Order, *, may_reclaim: bool) -> Verdict:
    """Apply the event to its order, or leave it to staff when something about it is in doubt.

    Money that was taken too long after the payment window is due for refund. Raises `overdue.ReclaimFirst` where that
    may help and `may_reclaim` is set.
    """
    if doubt := _doubt_about(event, order):
        names_its_order = event.order_ref or event.hold_ref
        if event.kind == WebhookEvent.Kind.SUCCESS and event.payment_ref and names_its_order:
            orders.prove_payment(order, event.payment_ref)
        return doubt
    if event.kind == WebhookEvent.Kind.SUCCESS and _is_too_late(event, order):
        return _known_already(event, order) or _take_for_refund(event, order, reason="too_late")
    return act(event, order, may_reclaim=may_reclaim)


def record_dispute(event: WebhookEvent) -> Verdict | None:
    """Link a dispute to its payment; None while that is unknown. Neither order nor units change."""
    if event.dispute_ref is None:
        return review("dispute_unknown")
    found = payment_records.find(event)
    if found is None:
        return None
    payment = payment_records.lock(found)
    event.order = payment.order
    try:
        disputes.record(event, payment)
    except disputes.Outdated:
        return Verdict(Status.IGNORED, "outdated")
    return Verdict(Status.APPLIED, "dispute_recorded")


def apply_without_order(event: WebhookEvent) -> Verdict | None:
    """Apply an event to money that belongs to no order; None when it speaks of none."""
    if event.kind == WebhookEvent.Kind.DISPUTE:
        return record_dispute(event)
    if event.kind == WebhookEvent.Kind.SUCCESS:
        # Staff may have given it back although no order was known for it.
        is_known = event.payment_ref is not None and payment_records.find(event) is not None
        return Verdict(Status.IGNORED, "payment_already_known") if is_known else None
    if event.kind not in refund_rules.KINDS or not event.payment_ref:
        return None
    payments = Payment.objects.filter(order=None)
    if not refund_rules.payment_named_in(event, payments):
        return None
    return refund_rules.doubt_about(event, payments) or refund_rules.act_on(event, payments)


def act(event: WebhookEvent, order: Order, *, may_reclaim: bool) -> Verdict:
    """Apply the event to its order, whatever doubts there were. Raises as `apply` does."""
    if event.kind == WebhookEvent.Kind.DISPUTE:
        return record_dispute(event) or review("payment_unknown")
    if event.kind in refund_rules.KINDS:
        return refund_rules.act_on(event, order.payments.all())
    if event.kind == WebhookEvent.Kind.FAILURE:
        return _failed(event, order)
    return _succeeded(event, order, may_reclaim=may_reclaim)


def _doubt_about(event: WebhookEvent, order: Order) -> Verdict | None:
    """Return what makes an event a matter for staff, or what became of it already, if anything."""
    if event.kind == WebhookEvent.Kind.FAILURE and _is_another_try(event, order):
        return None
    if event.currency and event.currency != order.currency:
        return review("currency_differs")
    if event.kind in refund_rules.KINDS:
        return refund_rules.doubt_about(event, order.payments.all())
    is_other_amount = event.amount is not None and event.amount != order.total_amount
    return review("amount_differs") if is_other_amount else None


def _is_too_late(event: WebhookEvent, order: Order) -> bool:
    """Say whether the money was taken more than `LATE_PAYMENT_HOURS` after the order's payment window."""
    if order.status_at(clock.now()) != Order.Status.EXPIRED:
        return False
    return event.happened_at > order.payment_due_at + timedelta(hours=settings.LATE_PAYMENT_HOURS)


def _known_already(event: WebhookEvent, order: Order) -> Verdict | None:
    """Return what becomes of a success whose payment is known, or is the one that paid the order; else None."""
    known = payment_records.find(event)
    if known is not None:
        is_ours = known.order_id == order.pk
        return Verdict(Status.IGNORED, "payment_already_known") if is_ours else review("payment_of_another_order")
    if order.status == Order.Status.PAID and _is_the_orders_one_payment(event, order):
        return Verdict(Status.IGNORED, "order_already_paid")
    return None


def _take_for_refund(event: WebhookEvent, order: Order, *, reason: str) -> Verdict:
    """Record money that cannot buy its order."""
    if event.payment_ref:
        orders.prove_payment(order, event.payment_ref)
    payment_records.record(event, order, status=Payment.Status.REFUND_DUE, reason=reason, now=clock.now())
    return Verdict(Status.APPLIED, "refund_due")


def _succeeded(event: WebhookEvent, order: Order, *, may_reclaim: bool) -> Verdict:
    if verdict := _known_already(event, order):
        return verdict
    try:
        orders.mark_paid(order, payment_id=event.payment_ref)
    except Refusal as refusal:
        if type(refusal) not in REFUND_REASONS:
            raise
        if may_reclaim and _may_pass_without_overdue(refusal, order):
            raise overdue.ReclaimFirst(order.product_id) from None
        return _take_for_refund(event, order, reason=REFUND_REASONS[type(refusal)])
    if event.payment_ref:
        orders.prove_payment(order, event.payment_ref)
    payment_records.record(event, order, status=Payment.Status.APPLIED, now=order.paid_at)
    return Verdict(Status.APPLIED, "order_paid", at=order.paid_at)


def _may_pass_without_overdue(refusal: Refusal, order: Order) -> bool:
    if isinstance(refusal, LimitExceeded):
        return refusal.is_by_overdue
    return isinstance(refusal, InsufficientStock) and bool(overdue.count(order.product_id, at=clock.now()))


def _is_the_orders_one_payment(event: WebhookEvent, order: Order) -> bool:
    """Say whether this success on a paid order may be the very payment it was paid with.

    It is, when it names no payment, or names the one that the order was placed with, which the caller was trusted to
    say, while the event that paid it named none.
    """
    if event.payment_ref is None:
        return True
    proof = proved_payments.of_order(order.pk).get(event.payment_ref)
    if proof is None or not proof.is_a_tokens_word:
        return False
    return order.payments.filter(status=Payment.Status.APPLIED, event__payment_ref__isnull=True).exists()


def _failed(event: WebhookEvent, order: Order) -> Verdict:
    if not _ends_its_order(event, order):
        return Verdict(Status.IGNORED, "other_payment")
    try:
        orders.mark_cancelled(order)
    except orders.OrderAlreadyPaid:
        return Verdict(Status.IGNORED, "order_already_paid")
    except orders.OrderNotPending:
        return Verdict(Status.IGNORED, "order_not_pending")
    return Verdict(Status.APPLIED, "order_cancelled")


def _is_another_try(event: WebhookEvent, order: Order) -> bool:
    """Say whether one try failed that is not the order's: no matter for staff, whatever it would have cost."""
    return not PROVIDERS[event.provider].failures_end_orders and not _ends_its_order(event, order)


def _ends_its_order(event: WebhookEvent, order: Order) -> bool:
    """Say whether a failure speaks of the order's own payment, and not of a try that another one replaced."""
    proved = proved_payments.of_order(order.pk)
    if event.payment_ref in proved:
        return True
    speaks_of_the_whole = event.payment_ref is None or not proved
    return speaks_of_the_whole and PROVIDERS[event.provider].failures_end_orders

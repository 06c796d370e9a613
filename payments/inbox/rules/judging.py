"""The rules for one event: which order it names, whether it may be applied, and what applying it does.

`judge` and `apply_accepted` run inside a transaction that holds the event's reference locks and row lock; they lock the
order.
"""

from datetime import datetime

from checkout import orders
from checkout.models import Order
from flashsale.core import clock
from payments.inbox import matching
from payments.inbox.rules import disputes, failures, refunds, successes
from payments.inbox.rules.verdicts import Verdict, ignore, review
from payments.models import Payment, WebhookEvent
from payments.providers.base import Message

Kind = WebhookEvent.Kind
Status = WebhookEvent.Status

# Members that name an order. Another shop that shares the provider's account may write anything into them.
NAMES_OF_ORDERS = frozenset({"order_id", "hold_id", "client_reference_id"})
IGNORED_KINDS: dict[WebhookEvent.Kind, str] = {Kind.UNKNOWN: "unknown_type", Kind.INFORMATIONAL: "changes_nothing"}


def on_receipt(message: Message, *, is_id_reused: bool) -> Verdict:
    """Return the verdict that is clear without the order; it is `received` for an event that has to be processed."""
    if message.is_foreign:
        return ignore("another_shop")
    if is_id_reused:
        return review("event_id_reused")
    if message.kind in IGNORED_KINDS:
        return ignore(IGNORED_KINDS[message.kind])
    is_failure = message.kind == Kind.FAILURE
    if message.malformed:
        is_of_another_shop = is_failure and message.malformed in NAMES_OF_ORDERS
        return ignore("not_our_order") if is_of_another_shop else review("malformed_field")
    if message.order_id or message.hold_id or message.payment_id:
        return Verdict(Status.RECEIVED)
    return ignore("no_reference") if is_failure else review("no_reference")


def judge(event: WebhookEvent, *, may_reclaim: bool) -> Verdict:
    """Find and lock the event's order and apply the event to it; return the verdict.

    An event in doubt is left to staff; one without an order is parked as long as its order may still be created. Raises
    `overdue.ReclaimFirst` where that may help and `may_reclaim` is set.
    """
    if event.kind == Kind.DISPUTE:
        return disputes.apply(event) or _without_order(event, now=clock.now())
    try:
        order_id = matching.find_order_id(event)
    except matching.Unmatched as unmatched:
        # A failure moves no money: when its order is not certain, it may be ignored.
        return ignore(unmatched.reason) if event.kind == Kind.FAILURE else review(unmatched.reason)
    if order_id is None:
        return _apply_without_order(event) or _without_order(event, now=clock.now())
    event.order = orders.lock(order_id)
    return _apply_unless_in_doubt(event, event.order, may_reclaim=may_reclaim)


def apply_accepted(event: WebhookEvent, order: Order | None, *, may_reclaim: bool) -> Verdict | None:
    """Apply an event that staff accepted, whatever its amount and currency, to a locked order or to none.

    None when it names no payment and there is no order to apply it to. Raises as `judge` does.
    """
    if order is None:
        return _apply_without_order(event)
    return _apply(event, order, may_reclaim=may_reclaim)


def _apply_unless_in_doubt(event: WebhookEvent, order: Order, *, may_reclaim: bool) -> Verdict:
    if doubt := _doubt_about(event, order):
        names_order = event.order_ref or event.hold_ref
        if event.kind == Kind.SUCCESS and event.payment_ref and names_order:
            orders.prove_payment(order, event.payment_ref)
        return doubt
    if event.kind == Kind.SUCCESS and successes.is_too_late(event, order):
        return successes.refuse_late(event, order)
    return _apply(event, order, may_reclaim=may_reclaim)


def _apply(event: WebhookEvent, order: Order, *, may_reclaim: bool) -> Verdict:
    if event.kind == Kind.DISPUTE:
        return disputes.apply(event) or review("payment_unknown")
    if event.kind in refunds.KINDS:
        return refunds.apply(event, Payment.objects.filter(order=order))
    if event.kind == Kind.FAILURE:
        return failures.apply(event, order)
    return successes.apply(event, order, may_reclaim=may_reclaim)


def _apply_without_order(event: WebhookEvent) -> Verdict | None:
    """Apply an event to money that belongs to no order; None when it names no such money."""
    if event.kind == Kind.DISPUTE:
        return disputes.apply(event)
    if event.kind == Kind.SUCCESS:
        return successes.apply_without_order(event)
    if event.kind not in refunds.KINDS or not event.payment_ref:
        return None
    payments = Payment.objects.filter(order=None)
    if not refunds.payment_named_in(event, payments):
        return None
    return refunds.doubt_about(event, payments) or refunds.apply(event, payments)


def _doubt_about(event: WebhookEvent, order: Order) -> Verdict | None:
    """Return the verdict on an event that must not be applied as it is, else None."""
    if event.kind == Kind.FAILURE and failures.is_of_another_attempt(event, order):
        return None
    if event.currency and event.currency != order.currency:
        return review("currency_differs")
    if event.kind in refunds.KINDS:
        return refunds.doubt_about(event, Payment.objects.filter(order=order))
    differs = event.amount is not None and event.amount != order.total_amount
    return review("amount_differs") if differs else None


def _without_order(event: WebhookEvent, *, now: datetime) -> Verdict:
    event.parked_at = event.parked_at or now
    if matching.order_may_come(event, now=now):
        return Verdict(Status.PARKED, "order_not_found")
    return review("order_never_came") if event.kind == Kind.SUCCESS else ignore("order_never_came")

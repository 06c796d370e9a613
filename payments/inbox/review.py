"""Staff settle events that need review or are dead: they accept, refund or dismiss them.

Every verb records who settled the event and why, and raises `NotSettleable` for an event that is settled already.
"""

from decimal import Decimal
from typing import Any
from uuid import UUID

from catalog import overdue
from checkout import orders
from checkout.models import Order
from flashsale.core import clock
from flashsale.core.refusals import Refusal
from flashsale.core.submissions.once import retrying_transaction_once
from payments import explanations, payment_records
from payments.inbox import matching, processing, rules
from payments.inbox.rules import Verdict
from payments.models import Payment, WebhookEvent

SETTLEABLE = frozenset({WebhookEvent.Status.NEEDS_REVIEW, WebhookEvent.Status.DEAD})
WITHOUT_EFFECT = frozenset({WebhookEvent.Kind.INFORMATIONAL, WebhookEvent.Kind.UNKNOWN})


class NotSettleable(Refusal):
    code = "event_not_settleable"
    title = "Only events that need review or are dead are settled"


class OrderNeeded(Refusal):
    code = "order_needed"
    title = "The event names no order; say which one"


class AmountNeeded(Refusal):
    code = "amount_needed"
    title = "The event names no amount and currency; say which"


class NotMoney(Refusal):
    code = "event_is_not_money"
    title = "Only a successful payment can be refunded"


class PaymentAlreadyKnown(Refusal):
    code = "payment_already_known"
    title = "This payment is known already"


class CannotAccept(Refusal):
    code = "event_cannot_be_accepted"
    title = "The event cannot be applied as it is"


def accept(event_id: int, *, staff: Any, note: str, order_id: UUID | None = None) -> WebhookEvent:
    """Apply an event as it stands, with its own amount and currency, to its order or to the given one.

    Money that cannot pay the order becomes due for refund. Raises `NotFound`, `NotSettleable`,
    `OrderNeeded`, `CannotAccept`.
    """
    return overdue.reclaiming(
        lambda may_reclaim: _accept(event_id, staff=staff, note=note, order_id=order_id, may_reclaim=may_reclaim)
    )


@retrying_transaction_once
def refund(
    event_id: int,
    *,
    staff: Any,
    note: str,
    order_id: UUID | None = None,
    amount: Decimal | None = None,
    currency: str = "",
) -> WebhookEvent:
    """Make the money of a success event due for refund; it need not belong to any order.

    `amount` (in units of `currency`, ISO 4217) is needed where neither the event nor its order says it. Raises
    `NotFound`, `NotSettleable`, `NotMoney`, `PaymentAlreadyKnown`, `AmountNeeded`.
    """
    event = _lock(event_id, staff=staff, note=note)
    if event.kind != WebhookEvent.Kind.SUCCESS:
        raise NotMoney
    order = _lock_order(event, order_id)
    if (recorded := payment_records.find(event)) is not None:
        raise PaymentAlreadyKnown(f"Payment {recorded.payment_id} is known already: {recorded.get_status_display()}.")
    if order is None and not ((amount or event.amount) and (currency or event.currency)):
        raise AmountNeeded
    event.order = order
    payment_records.record(
        event,
        order,
        amount=amount,
        currency=currency,
        status=Payment.Status.REFUND_DUE,
        reason="refunded_by_staff",
        now=clock.now(),
    )
    processing.write(event, Verdict(WebhookEvent.Status.APPLIED, "refund_due"))
    return event


@retrying_transaction_once
def dismiss(event_id: int, *, staff: Any, note: str) -> WebhookEvent:
    """Close an event that changes nothing here, such as a test event. Raises `NotFound`, `NotSettleable`."""
    event = _lock(event_id, staff=staff, note=note)
    processing.write(event, Verdict(WebhookEvent.Status.IGNORED, "dismissed_by_staff"))
    return event


@retrying_transaction_once
def _accept(event_id: int, *, staff: Any, note: str, order_id: UUID | None, may_reclaim: bool) -> WebhookEvent:
    event = _lock(event_id, staff=staff, note=note)
    if event.kind in WITHOUT_EFFECT:
        raise CannotAccept(f"An event of type {event.type} changes nothing.")
    event.order = _lock_order(event, order_id)
    verdict = rules.apply_accepted(event, event.order, may_reclaim=may_reclaim)
    if verdict is None:
        raise OrderNeeded
    if verdict.status == WebhookEvent.Status.NEEDS_REVIEW:
        event.reason = verdict.reason
        raise CannotAccept(f"The event cannot be accepted: {explanations.why(explanations.read(event))}.")
    processing.write(event, verdict)
    return event


def _lock(event_id: int, *, staff: Any, note: str) -> WebhookEvent:
    event = processing.lock_with_references(event_id)
    if event.status not in SETTLEABLE:
        by = f", decided by {event.settled_by}" if event.settled_by else ""
        begin = "It needs no decision now" if event.status in WebhookEvent.UNDECIDED else "It was decided meanwhile"
        raise NotSettleable(f"{begin}: {explanations.state_of(event)}{by}.")
    event.settled_by, event.settled_note = staff, note
    return event


def _lock_order(event: WebhookEvent, order_id: UUID | None) -> Order | None:
    """Lock and return the order that staff named, else the event's; None when there is none."""
    order_id = order_id or event.order_id
    if order_id is None:
        try:
            order_id = matching.find_order_id(event)
        except matching.Unmatched:
            return None
    return orders.lock(order_id) if order_id else None

"""Why an event has its status, and why a payment is due for refund, in sentences.

A test asks for a sentence for each reason that the rules give.
"""

from collections.abc import Callable

from flashsale.core import money
from flashsale.core.identifiers import short
from payments.explanations.situations import Situation, short_name
from payments.models import Payment, WebhookEvent

Status = WebhookEvent.Status
Kind = WebhookEvent.Kind


def _references(of: Situation) -> str:
    event = of.event
    order = f"order {short(event.order_ref)}" if event.order_ref else ""
    hold = f"hold {short(event.hold_ref)}" if event.hold_ref else ""
    if not of.named:
        return f"names {order or hold}, which is unknown, with the payment id of {short_name(of.owner)}"
    if not order or not hold:
        return "names different orders"
    if of.order_of_hold is None:
        return f"names {order} and {hold}, which is not that order's"
    which = "" if of.names_known_order else ", which is unknown,"
    return f"names {order}{which} and {hold} of {short_name(of.order_of_hold)}"


def _other_owner(of: Situation) -> str:
    if of.payment is not None and of.payment.order is None:
        return "its payment is recorded already, for no order"
    return f"its payment id belongs to {short_name(of.owner)}"


def _difference(of: Situation) -> str:
    if of.event.kind in {Kind.REFUNDED, Kind.REFUND_FAILED}:
        return f"gave {of.paid or of.event.currency} back, the payment is of {of.expected or 'an unknown amount'}"
    verb = "paid" if of.event.kind == Kind.SUCCESS else "tried to pay"
    return f"{verb} {of.paid or 'in ' + of.event.currency}, expected {of.expected or 'an unknown amount'}"


def _unknown_payment(of: Situation) -> str:
    if of.event.payment_ref:
        return f"payment {of.event.payment_ref}, which it names, is not recorded for this order"
    return "it does not say which payment, and the order has none, or several"


def _failed_refund(of: Situation) -> str:
    if of.event.status == Status.NEEDS_REVIEW:
        return f"a refund of {of.paid or 'the payment'} failed, and it is not known whether the money is still owed"
    return f"a refund of {of.paid or 'the payment'} failed"


def _due(of: Situation) -> str:
    reason = why_due(of.payment) if of.payment else ""
    return f"its money is due for refund: {reason}" if reason else "its money is due for refund"


def _dismissed(of: Situation) -> str:
    return f"dismissed by {of.event.settled_by}" if of.event.settled_by else "dismissed by staff"


def _error(of: Situation) -> str:
    what = f"gave up after {of.event.attempts} attempts" if of.event.status == Status.DEAD else "failed, is tried again"
    return f"{what}: {of.event.last_error}" if of.event.last_error else what


def _recorded_otherwise(of: Situation) -> str:
    recorded = money.written(of.payment.amount, of.payment.currency) if of.payment else "another amount"
    recorded_for = short_name(of.payment.order) if of.payment and of.payment.order else "no order"
    named = f"order {short(of.event.order_ref)}" if of.event.order_ref else "no order"
    return f"the provider took {of.paid or 'it'} for {named}, recorded here are {recorded} for {recorded_for}"


def _not_paid_there(of: Situation) -> str:
    state = NOT_PAID_STATES.get(of.event.type.rpartition(" ")[2], "not paid")
    recorded = f" of {money.written(of.payment.amount, of.payment.currency)}" if of.payment else ""
    return f"the payment{recorded} is recorded here as applied, the provider says that it is {state}"


# What a provider says of a payment that is not paid there, by the last word of the event's type.
NOT_PAID_STATES = {
    "ended": "ended unpaid",
    "payable": "not paid yet",
    "processing": "not decided yet",
    "unknown": "unknown to it",
}

EVENT_REASONS: dict[str, str | Callable[[Situation], str]] = {
    "already_failed": "this failed refund was recorded already",
    "already_refunded": "this money was recorded as given back already",
    "amount_differs": _difference,
    "another_shop": "is about what another shop made, which shares the provider's account",
    "changes_nothing": lambda of: of.declined or "events of this type change nothing",
    "currency_differs": _difference,
    "dismissed_by_staff": _dismissed,
    "dispute_recorded": "the dispute was recorded",
    "dispute_unknown": "does not say which dispute it is about",
    "error": _error,
    "event_id_reused": "has the id of an earlier event, and says something else",
    "gave_up": _error,
    "malformed_field": lambda of: f"its {of.event.malformed.replace('_', ' ')} cannot be used",
    "no_reference": "names no order, hold or payment",
    "not_paid_there": _not_paid_there,
    "not_our_order": "names an order that is not of this shop",
    "order_already_paid": "the order was paid already",
    "order_cancelled": "cancelled the order",
    "order_never_came": "the order that it names was never placed",
    "order_not_found": "its order is not placed yet",
    "order_not_pending": "the order no longer waited for its payment",
    "order_paid": "paid the order",
    "other_payment": "another try to pay failed, not the payment of the order",
    "outdated": "a later event about this dispute came before",
    "own_refund_under_way": "a refund that the shop sent itself is still under way",
    "payment_already_known": "this payment was recorded already",
    "payment_of_another_order": _other_owner,
    "payment_unknown": _unknown_payment,
    "refund_after_a_failed_one": "may have been written before a refund failed: was the money given back since?",
    "refund_due": _due,
    "refund_exceeds_payment": lambda of: f"gave {of.paid} back, only {of.left_to_refund} are left of the payment",
    "refund_failed": _failed_refund,
    "refund_unknown": "does not say which refund failed",
    "refunded": lambda of: f"{of.paid or 'the rest of the payment'} was given back",
    "recorded_otherwise": _recorded_otherwise,
    "references_differ": _references,
    "retried_by_staff": "is tried again by staff",
    "unreadable": "stands in the provider's list, and cannot be read or stored: its body may be of another shop",
    "unknown_type": lambda of: of.declined or f"events of type {of.event.type} are not used",
}

PAYMENT_REASONS: dict[str, str] = {
    "limit_exceeded": "the order had expired, and its customer has as many units as allowed",
    "order_already_paid": "the order was paid already, by another payment",
    "order_cancelled": "the order was cancelled before the money came",
    "refund_failed": "a refund failed after it was sent",
    "refunded_by_staff": "staff decided to give it back",
    "too_late": "the money came too long after the order's payment window",
    "units_gone": "the order had expired, and its units were sold to others",
}


STATES: dict[str, str] = {
    Status.RECEIVED: "it is being processed",
    Status.APPLIED: "it is applied",
    Status.IGNORED: "it is ignored",
    Status.PARKED: "it waits for its order",
    Status.NEEDS_REVIEW: "it needs review",
    Status.FAILED: "it failed and is tried again",
    Status.DEAD: "it is dead",
}


def state_of(event: WebhookEvent) -> str:
    """Return an event's status as a sentence about it, without a full stop."""
    return STATES[event.status]


def why(situation: Situation) -> str:
    """Return why an event has its status, as the rest of a sentence about it; an empty text where nothing was said."""
    sentence = EVENT_REASONS.get(situation.event.reason)
    if sentence is None:
        return situation.event.reason.replace("_", " ")
    return sentence if isinstance(sentence, str) else sentence(situation)


def why_due(payment: Payment) -> str:
    """Return why a payment was or is due for refund, as the rest of a sentence; an empty text where it is not."""
    return PAYMENT_REASONS.get(payment.reason, payment.reason.replace("_", " "))

"""What an event did to its order, units and money, in sentences: told after it was decided."""

from collections.abc import Callable

from checkout.models import Order
from flashsale.core import money, wording
from payments.explanations.reasons import why, why_due
from payments.explanations.situations import Situation, short_name
from payments.models import Payment, WebhookEvent

Status = WebhookEvent.Status


def units_of(order: Order) -> str:
    """Return an order's units, for people."""
    return wording.units(order.quantity)


def units_are(order: Order) -> str:
    """Return an order's units with the verb that follows them, for people."""
    return wording.units_are(order.quantity)


def amount_of(payment: Payment) -> str:
    """Return a payment's amount, for people."""
    return money.written(payment.amount, payment.currency)


def name_of(order: Order | None) -> str:
    """Return how a sentence that begins with an order calls it."""
    return short_name(order).capitalize()


def _paid(of: Situation) -> str:
    order, paid = of.order, of.amount if of.payment is None else amount_of(of.payment)
    units = f"its {units_are(order)} sold" if order else "its units are sold"
    return f"{name_of(order)} is paid, {units}. The payment of {paid} is recorded as applied."


def _refund_due(of: Situation) -> str:
    paid = of.amount if of.payment is None else amount_of(of.payment)
    reason = why_due(of.payment) if of.payment else ""
    order = f"{name_of(of.order)} and its units are not changed." if of.order else "No order is changed."
    return f"The payment of {paid} is due for refund{f': {reason}' if reason else ''}. {order}"


def _cancelled(of: Situation) -> str:
    units = f"its {units_are(of.order)}" if of.order else "its units are"
    return f"{name_of(of.order)} is cancelled, {units} available to all buyers again."


def _refunded(of: Situation) -> str:
    if of.payment is None:
        return "The refund is recorded. The order and its units are not changed."
    back, state = money.written(of.payment.refunded_amount, of.payment.currency), of.payment.get_status_display()
    return (
        f"Of payment {of.payment.payment_id} {back} of {amount_of(of.payment)} are given back, it is {state.lower()}. "
        "The order and its units are not changed."
    )


APPLIED: dict[str, Callable[[Situation], str]] = {
    "dispute_recorded": lambda _: "The dispute is recorded. The order and its units are not changed.",
    "order_cancelled": _cancelled,
    "order_paid": _paid,
    "refund_due": _refund_due,
    "refund_failed": _refunded,
    "refunded": _refunded,
}


def what_happened(situation: Situation) -> str:
    """Return what an event did, which was just decided or processed again, in whole sentences."""
    event, reason = situation.event, why(situation)
    if event.status == Status.APPLIED and event.reason in APPLIED:
        return APPLIED[event.reason](situation)
    told: dict[str, str] = {
        Status.IGNORED: f"Nothing was changed: {reason}.",
        Status.PARKED: f"Nothing was changed yet, it waits: {reason}.",
        Status.NEEDS_REVIEW: f"Nothing was changed, it needs review: {reason}.",
        Status.FAILED: f"Nothing was changed: {reason}.",
        Status.DEAD: f"Nothing was changed: {reason}.",
        Status.RECEIVED: "It is processed again.",
    }
    if event.reason == "dismissed_by_staff":
        return "Dismissed: no order, units or money were changed."
    return told.get(event.status, f"{event.get_status_display()}: {reason}.")

"""What a decision about an event would do to its order, units and money, judged by what is known now.

The rules judge again when staff have decided: between the two, time passes and payments come.
"""

from collections.abc import Callable
from dataclasses import replace

from django.db.models import QuerySet

from catalog import availability
from catalog.models import Product
from checkout.models import Order
from flashsale.core import clock, money
from flashsale.core.identifiers import short
from payments.explanations import Situation, state_of, why, why_due
from payments.explanations.outcomes import amount_of, units_are, units_of
from payments.inbox import matching
from payments.inbox.processing import MAX_ATTEMPTS
from payments.inbox.review import SETTLEABLE, WITHOUT_EFFECT
from payments.inbox.rules import Verdict, refunds
from payments.inbox.rules.failures import is_of_the_orders_payment
from payments.inbox.rules.successes import verdict_on_recorded
from payments.models import Payment, WebhookEvent
from payments.providers import REFUND_CLIENTS

Kind = WebhookEvent.Kind
Status = Order.Status

NO_MONEY = "The order and its units are not changed."
NAMES_NO_ORDER = "It names no order: enter the order's id below."
REFUSED = "It cannot be accepted: {}."


def of_accepting(of: Situation) -> str:
    """Return what accepting an event would do."""
    if decided := _decided(of):
        return decided
    event = of.event
    if event.kind in WITHOUT_EFFECT:
        return REFUSED.format(f"an event of type {event.type} changes nothing")
    if event.kind == Kind.DISPUTE:
        return _dispute(of)
    order = order_of(of)
    if event.kind in refunds.KINDS:
        return _refund(of, order)
    if order is None:
        return _without_order(of)
    return _failure(of, order) if event.kind == Kind.FAILURE else _success(of, order)


def of_giving_back(of: Situation) -> str:
    """Return what making an event's money due for refund would do."""
    if decided := _decided(of):
        return decided
    if of.event.kind != Kind.SUCCESS:
        return f"Nothing can be given back: it tells of no payment, but: {of.event.get_kind_display()}."
    if of.payment is not None:
        return f"Nothing is done: payment {of.payment.payment_id} is known already, {of.payment.get_status_display()}."
    order = order_of(of)
    amount, currency = of.event.amount, of.event.currency
    if order is not None:
        amount, currency = amount or order.total_amount, currency or order.currency
    if amount is None or not currency:
        return "Its money becomes due for refund. It does not say how much it was: enter the amount and currency below."
    changed = "No order is changed." if order is None else f"{_named(order)} is not changed: {_state(order)}."
    return f"The payment of {money.written(amount, currency)} becomes due for refund, {_way_back(of.event)}. {changed}"


def of_dismissing(of: Situation) -> str:
    """Return what dismissing an event would do."""
    if decided := _decided(of):
        return decided
    kept = f" If the provider took {of.amount}, it stays with the shop and is recorded nowhere."
    return "No order, units or money are changed." + (kept if of.event.kind == Kind.SUCCESS else "")


def of_retrying(of: Situation) -> str:
    """Return what processing a dead event again would do."""
    if of.event.status != WebhookEvent.Status.DEAD:
        return _decided(of) or "It is not dead: it cannot be retried."
    again = f"It is processed again at once, as if it had just arrived, with {MAX_ATTEMPTS} attempts."
    return f"{again} The last error: {of.event.last_error}" if of.event.last_error else again


def order_of(of: Situation) -> Order | None:
    """Return the order that accepting the event applies it to, where staff name no other; None without one."""
    if of.event.order is not None:
        return of.event.order
    try:
        order_id = matching.find_order_id(of.event)
    except matching.Unmatched:
        return None
    return Order.objects.select_related("product").filter(pk=order_id).first() if order_id else None


def _decided(of: Situation) -> str:
    """Return that the event needs no decision any more, if so."""
    if of.event.status in SETTLEABLE:
        return ""
    if of.event.status in WebhookEvent.UNDECIDED:
        return f"It needs no decision now: {state_of(of.event)}. Nothing is done."
    if of.event.reason == "dismissed_by_staff":
        return f"It was {why(of)} already. Nothing is done."
    by = f" by {of.event.settled_by}" if of.event.settled_by else ""
    return f"It was decided{by} already: {of.event.get_status_display()}, {why(of)}. Nothing is done."


def _without_order(of: Situation) -> str:
    if of.payment is not None:
        return f"Nothing will change: {why_due(of.payment) or 'this payment was recorded already'}."
    if of.event.kind != Kind.SUCCESS:
        return NAMES_NO_ORDER
    return (
        "It names no order for certain: enter the order's id below. If that order waits for its payment, or has "
        f"expired and its units can be had, it becomes paid with {of.amount}; otherwise the money becomes due for "
        "refund."
    )


def _success(of: Situation, order: Order) -> str:
    if verdict := verdict_on_recorded(of.event, order):
        return _without_effect(of, verdict)
    amount, currency = of.event.amount or order.total_amount, of.event.currency or order.currency
    paid, price = money.written(amount, currency), money.written(order.total_amount, order.currency)
    payment = paid if paid == price else f"{paid}, instead of {price},"
    status = order.status_at(clock.now())
    if status in {Status.PAID, Status.CANCELLED}:
        return (
            f"The payment of {paid} becomes due for refund, {_way_back(of.event)}: {_named(order)} is {status} already."
        )
    if status == Status.EXPIRED:
        return _late_success(order, payment, paid)
    return (
        f"{_named(order)} becomes paid and its {units_of(order)}, reserved now, will be sold. "
        f"The payment of {payment} is recorded as applied."
    )


def _without_effect(of: Situation, verdict: Verdict) -> str:
    """Return what a verdict tells that changes nothing."""
    of.event.reason, kept = verdict.reason, of.event.reason
    reason = why(of)
    of.event.reason = kept
    is_refused = verdict.status == WebhookEvent.Status.NEEDS_REVIEW
    return REFUSED.format(reason) if is_refused else f"Nothing will change: {reason}."


def _late_success(order: Order, payment: str, paid: str) -> str:
    available = sum(view.available_stock for view in availability.read(Product.objects.filter(pk=order.product_id)))
    if available < order.quantity:
        return (
            f"{_named(order)} has expired, and only {available} of its {units_of(order)} can be had: "
            f"the payment of {paid} becomes due for refund."
        )
    return (
        f"{_named(order)} has expired, and {available} are available: it becomes paid and its {units_are(order)} "
        f"sold, if the customer's limit allows it, and the payment of {payment} is recorded as applied. Otherwise the "
        "payment becomes due for refund."
    )


def _failure(of: Situation, order: Order) -> str:
    if not is_of_the_orders_payment(of.event, order):
        return f"Nothing will change: another try to pay failed, not the payment of order {short(order.pk)}."
    # An overdue order is cancelled, too.
    if order.status != Status.PENDING_PAYMENT:
        return f"Nothing will change: order {short(order.pk)} is {order.get_status_display().lower()} already."
    units = f"its {units_are(order)} available to all buyers again"
    return f"{_named(order)} becomes cancelled and {units}. No money moves."


def _refund(of: Situation, order: Order | None) -> str:
    payments = Payment.objects.filter(order=order)
    payment = refunds.payment_named_in(of.event, payments)
    if order is None and (payment is None or not of.event.payment_ref):
        return NAMES_NO_ORDER
    if payment is None:
        return REFUSED.format("the payment that it is about is not known, or several may be meant")
    of = replace(of, payment=payment)
    if verdict := _verdict_on_refund(of.event, payment, payments):
        return _without_effect(of, verdict)
    back = money.written(payment.refunded_amount, payment.currency)
    state = f"payment {payment.payment_id} of {amount_of(payment)}, of which {back} are given back so far"
    if of.event.kind == Kind.REFUND_FAILED:
        return f"A refund of {of.paid or 'all'} is recorded as failed, of {state}. {NO_MONEY}"
    total = " in all" if of.event.amount_is_total else ""
    return f"{of.paid or 'All that is left'} is recorded as given back{total}, of {state}. {NO_MONEY}"


def _verdict_on_refund(event: WebhookEvent, payment: Payment, payments: QuerySet[Payment]) -> Verdict | None:
    """Return the verdict on an event about a refund that changes nothing when it is accepted, else None."""
    if payment.order_id is None and (doubt := refunds.doubt_about(event, payments)):
        return doubt
    if event.kind == Kind.REFUND_FAILED:
        return refunds.verdict_on_failure(event, payment)
    return refunds.verdict_on_amount(event, payment)


def _dispute(of: Situation) -> str:
    if of.payment is None or of.event.dispute_ref is None:
        return REFUSED.format("its payment or its dispute is not known")
    return f"Dispute {of.event.dispute_ref} about payment {of.payment.payment_id} is recorded. {NO_MONEY}"


def _way_back(event: WebhookEvent) -> str:
    client = REFUND_CLIENTS.get(event.provider)
    if client is not None and client.is_enabled() and event.payment_ref:
        return "and the provider is asked to give it back"
    return "to be given back by staff"


def _named(order: Order) -> str:
    return f"Order {short(order.pk)}"


def _units_stay(order: Order) -> str:
    return f"{units_of(order)} {'stays' if order.quantity == 1 else 'stay'}"


def _state(order: Order) -> str:
    """Return an order's state with its units, for people."""
    status = order.status_at(clock.now())
    units: dict[str, str] = {
        Status.PENDING_PAYMENT: f"it waits for its payment, its {_units_stay(order)} reserved",
        Status.PAID: f"it is paid, its {_units_stay(order)} sold",
    }
    return units.get(status, f"it is {status.label.lower()}")


EFFECTS: dict[str, Callable[[Situation], str]] = {
    "accept": of_accepting,
    "refund": of_giving_back,
    "dismiss": of_dismissing,
    "retry": of_retrying,
}

"""What the admin says about holds and orders: their state, what an action will do to them, and what it did.

The web server's clock says how much time is left; what an action may do is decided by the database's.
"""

from django.utils import timezone

from checkout import order_money
from checkout.models import Hold, Order
from flashsale.core import identifiers, moments, money
from flashsale.core.staff.columns import time_left
from flashsale.core.wording import units, units_are

UNITS_ARE_FREE = "available to all buyers at once"


def shown_status(claim: Hold | Order) -> str:
    """Return the status of a hold or an order as pages show it: an overdue one is expired."""
    return claim.status_at(timezone.now()).label.lower()


def state_of_hold(hold: Hold) -> str:
    """Return a sentence on the state of a hold."""
    now = timezone.now()
    status = hold.status_at(now)
    if status == Hold.Status.ACTIVE:
        left = time_left((hold.expires_at - now).total_seconds())
        return f"Keeps {units(hold.quantity)} until {moments.written(hold.expires_at)}, {left} left."
    ended_at = moments.written(hold.ended_at or hold.expires_at)
    if status == Hold.Status.CONVERTED:
        return f"Became order {identifiers.short(hold.order.pk)} at {ended_at}."
    how = "Expired" if status == Hold.Status.EXPIRED else "Released"
    return f"{how} at {ended_at}: it keeps no units."


def state_of_order(order: Order) -> str:
    """Return a sentence on the state of an order and of its money."""
    now = timezone.now()
    status = order.status_at(now)
    if status == Order.Status.PENDING_PAYMENT:
        left = time_left((order.payment_due_at - now).total_seconds())
        total = money.written(order.total_amount, order.currency)
        return f"Waits for payment of {total} until {moments.written(order.payment_due_at)}, {left} left."
    told = order_money.of(order)
    if order.paid_at:
        restocked = f"; {units(order.restocked_units)} put back on sale" if order.restocked_units else ""
        return f"{f'Paid {told.paid}'.strip()} at {moments.written(order.paid_at)}; {told.back}{restocked}."
    how = "Cancelled" if status == Order.Status.CANCELLED else "Expired without payment"
    ended = f"{how} at {moments.written(order.closed_at or order.payment_due_at)}"
    return f"{ended}; {told.back}." if told.back else f"{ended}."


def effect_of_release(hold: Hold) -> str:
    """Say what releasing a hold will do to it and to its units."""
    status = shown_status(hold)
    if status != Hold.Status.ACTIVE.label.lower():
        return f"Nothing: the hold is {status}."
    return f"The buyer loses the hold; its {units_are(hold.quantity)} {UNITS_ARE_FREE}."


def effect_of_cancellation(order: Order) -> str:
    """Say what cancelling an order will do to it, to its units and to money."""
    status = shown_status(order)
    if status != Order.Status.PENDING_PAYMENT.label.lower():
        return f"Nothing: the order is {status}."
    return (
        f"The order is cancelled; its {units_are(order.quantity)} {UNITS_ARE_FREE}."
        " A payment that comes later is due for refund."
    )


def released(hold: Hold) -> str:
    """Say that a hold was released."""
    return f"Hold {hold} is released; its {units_are(hold.quantity)} available again."


def cancelled(order: Order) -> str:
    """Say that an order was cancelled."""
    return f"Order {order} is cancelled; its {units_are(order.quantity)} available again."

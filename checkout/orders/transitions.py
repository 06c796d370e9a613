"""The only writer of an order's columns after its creation: each change of status is conditional on the old one.

With each change of status goes what `leaving_hook` adds to it, and an event for the shop's back end.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import connection

from checkout.models import Order
from checkout.orders.leaving_hook import leave_pending
from checkout.orders.refusals import StaleOrderError
from flashsale.core import rows
from flashsale.core.statements import Statement, array, send
from flashsale.core.transactions import defer_to_commit
from flashsale.outbox import recording
from flashsale.outbox.kinds import EventType

# How events call an order.
RESOURCE = "order"
_PENDING = Order.Status.PENDING_PAYMENT.value

# The status is compared as an expression, which no partial index fits: while the statistics are older than the sale,
# the planner expects few pending orders, and would read all of them in an index instead of these by their ids.
_PAY_ALL = """
UPDATE checkout_order AS ours
SET status = 'paid', paid_at = %s, payment_id = coalesce(each.payment_id, ours.payment_id)
FROM unnest(%s::uuid[], %s::text[]) AS each (id, payment_id)
WHERE ours.id = each.id AND ours.status || '' = 'pending_payment'
AND (SELECT true FROM catalog_stock WHERE catalog_stock.product_id = ours.product_id)
"""


def pay(order: Order, *, payment_id: str | None, now: datetime) -> None:
    """Mark a locked order as paid; from then on it shows the payment id, where there is one."""
    old_status = order.status
    order.status, order.paid_at, order.payment_id = Order.Status.PAID, now, payment_id or order.payment_id
    _store(order, old_status, "paid_at", "payment_id")
    leave_pending([(order.pk, payment_id)])
    late = old_status == Order.Status.EXPIRED
    recording.record(EventType.ORDER_PAID, RESOURCE, [order.pk], previous_status=old_status, late=late)


def pay_all(payments: Sequence[tuple[Order, str | None]], *, now: datetime) -> None:
    """Do what `pay` does for pending orders and their payment ids, in one statement.

    Afterwards their products are known to have stock rows: asserting it with the COMMIT would take the server longer
    than all else it does while the stock is locked.
    """
    with connection.cursor() as cursor:
        ids, payment_ids = array(order.pk for order, _ in payments), array(payment_id for _, payment_id in payments)
        cursor.execute(_PAY_ALL, [now, ids, payment_ids])
        if cursor.rowcount != len(payments):
            raise StaleOrderError(
                f"{len(payments) - cursor.rowcount} of {len(payments)} orders were no longer pending, or had no stock"
            )
    leave_pending([(order.pk, payment_id) for order, payment_id in payments])
    order_ids = [order.pk for order, _ in payments]
    recording.record(EventType.ORDER_PAID, RESOURCE, order_ids, previous_status=_PENDING, late=False)
    for order, payment_id in payments:
        order.status, order.paid_at, order.payment_id = Order.Status.PAID, now, payment_id or order.payment_id


def cancel(order: Order, *, now: datetime) -> None:
    """Mark a locked order as cancelled."""
    old_status = order.status
    order.status, order.closed_at = Order.Status.CANCELLED, now
    _store(order, old_status, "closed_at")
    leave_pending([(order.pk, None)])
    recording.record(EventType.ORDER_CANCELLED, RESOURCE, [order.pk], previous_status=old_status)


def expire(order: Order, *, now: datetime) -> None:
    """Mark a locked order, which the same transaction is going to pay late, as expired."""
    old_status = order.status
    order.status, order.closed_at = Order.Status.EXPIRED, now
    _store(order, old_status, "closed_at")
    leave_pending([(order.pk, None)])
    recording.record_now(EventType.ORDER_EXPIRED, RESOURCE, [order.pk], previous_status=old_status)


def expire_all(order_ids: Collection[UUID], *, now: datetime) -> None:
    """Mark locked orders, all of them pending, as expired, in one statement."""
    pending = Order.objects.filter(pk__in=order_ids, status=Order.Status.PENDING_PAYMENT)
    if pending.update(status=Order.Status.EXPIRED, closed_at=now) != len(order_ids):
        raise StaleOrderError("an overdue order had already left `pending_payment`")
    leave_pending([(order_id, None) for order_id in order_ids])
    recording.record(EventType.ORDER_EXPIRED, RESOURCE, order_ids, previous_status=_PENDING)


def show_payment(order: Order, payment_id: str) -> None:
    """Let a locked order show this payment id."""
    send([_shown_payments([(order, payment_id)])])


def show_payments_at_commit(shown: Sequence[tuple[Order, str]]) -> None:
    """Do what `show_payment` does, for several, with the COMMIT, when nothing else of the transaction reads them."""
    if shown:
        defer_to_commit(_shown_payments(shown))


def set_refund(order: Order, *, state: Order.Refund, refunded_amount: Decimal) -> None:
    """Set a locked order's refund columns."""
    order.refund, order.refunded_amount = state, refunded_amount
    order.save(update_fields=["refund", "refunded_amount"])


def set_restocked(order: Order, *, units: int) -> None:
    """Set how many units of a locked order were put back on sale."""
    order.restocked_units = units
    order.save(update_fields=["restocked_units"])


def _shown_payments(shown: Sequence[tuple[Order, str]]) -> Statement:
    for order, payment_id in shown:
        order.payment_id = payment_id
    return rows.update([order for order, _ in shown], ["payment_id"])


def _store(order: Order, old_status: str, *columns: str) -> None:
    """Store the status and these columns, if the row still has the status `old_status`."""
    unchanged = Order.objects.filter(pk=order.pk, status=old_status)
    if unchanged.update(**{name: getattr(order, name) for name in ("status", *columns)}) != 1:
        raise StaleOrderError(f"order {order.pk} was no longer {old_status}")

"""Orders end unpaid: cancelled or expired. Decides; `transitions` writes."""

from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet

from catalog import inventory
from checkout import expiry
from checkout.models import Order
from checkout.orders import locking, reading, transitions
from checkout.orders.reading import OrderView
from checkout.orders.refusals import OrderAlreadyPaid, OrderNotPending
from flashsale.core import clock, events
from flashsale.core.submissions.once import retrying_transaction_once
from flashsale.core.transactions import retrying_transaction


@retrying_transaction
def cancel(order_id: UUID) -> OrderView:
    """Cancel a pending order and release its units; a cancelled one stays as it is. Returns the order.

    Raises `NotFound`, `OrderAlreadyPaid`, and `OrderNotPending` for an expired one.
    """
    order = locking.lock(order_id)
    if order.status != Order.Status.CANCELLED:
        mark_cancelled(order)
    return reading.get(order_id)


@retrying_transaction_once
def revoke(order_id: UUID) -> Order:
    """Cancel a pending order for staff; returns the updated order.

    Raises `NotFound`, `OrderAlreadyPaid`, and `OrderNotPending` for a cancelled or expired one.
    """
    order = locking.lock(order_id)
    mark_cancelled(order)
    return order


@retrying_transaction_once
def ensure_cancelled(order_id: UUID) -> tuple[Order, bool]:
    """Cancel a pending order for the back office; a cancelled one stays as it is. Returns it, and whether it changed.

    Raises `NotFound`, `OrderAlreadyPaid`, and `OrderNotPending` for an expired one.
    """
    order = locking.lock(order_id)
    is_changed = order.status != Order.Status.CANCELLED
    if is_changed:
        mark_cancelled(order)
    return order, is_changed


def mark_cancelled(order: Order) -> None:
    """Cancel a pending order that this transaction has locked. Raises `OrderAlreadyPaid`, `OrderNotPending`."""
    now = clock.now()
    status = order.status_at(now)
    if status == Order.Status.PAID:
        raise OrderAlreadyPaid
    if status != Order.Status.PENDING_PAYMENT:
        raise OrderNotPending(f"The order is {status}.")
    transitions.cancel(order, now=now)
    inventory.release(order.product_id, units=order.quantity)
    events.record_on_commit("order_cancelled", order_id=order.pk, product_id=order.product_id, units=order.quantity)


@retrying_transaction
def expire_due(*, limit: int = expiry.EXPIRY_BATCH_ROWS) -> int:
    """Expire at most `limit` overdue orders, oldest first, skipping locked ones; return how many were expired."""
    now = clock.now()
    return _expire(expiry.lock_oldest(Order.objects.overdue(now), deadline="payment_due_at", limit=limit), now=now)


@retrying_transaction
def reclaim(product_id: int) -> int:
    """Expire one product's overdue orders, waiting for locked ones; return how many: at most `overdue.BATCH_ROWS`."""
    now = clock.now()
    return _expire(expiry.lock_product(Order.objects.overdue(now), product_id), now=now)


def _expire(locking_query: QuerySet[Order], *, now: datetime) -> int:
    """Expire the pending orders that this query locks, and release their units."""
    rows = list(locking_query.values_list("pk", "product_id", "quantity"))
    transitions.expire_all([order_id for order_id, _, _ in rows], now=now)
    for _, product_id, quantity in rows:
        inventory.release(product_id, units=quantity)
    if rows:
        events.record_on_commit("orders_expired", count=len(rows))
    return len(rows)

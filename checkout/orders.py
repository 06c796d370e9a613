"""Orders: placed, paid, cancelled, expired. The only writer of an order's columns."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import connection
from django.db.models import QuerySet

from catalog import inventory
from catalog.models import Product
from checkout import holds, idempotency, limits, references
from checkout.idempotency import Once
from checkout.models import Hold, Order
from flashsale.core import clock, events
from flashsale.core.refusals import NotFound, Refusal
from flashsale.core.transactions import durable

EXPIRY_BATCH_ROWS = 2_000

_PAY = """
UPDATE checkout_order AS ours
SET status = 'paid', paid_at = %s, payment_id = coalesce(ours.payment_id, each.payment_id)
FROM unnest(%s::uuid[], %s::text[]) AS each (id, payment_id)
WHERE ours.id = each.id AND ours.status = 'pending_payment'
"""


class OrderAlreadyPaid(Refusal):
    code = "order_already_paid"
    title = "Order is already paid"


class OrderNotPending(Refusal):
    """The order is cancelled or expired."""

    code = "order_not_pending"
    title = "Order is not pending"


class PaymentIdInUse(Refusal):
    code = "payment_id_in_use"
    title = "Another order has this payment id"


class NotPending(RuntimeError):
    """A locked order did not have the status it was read with: a fault of this program, everything was undone."""


# What is called, inside the transaction that creates an order, before any row is locked: it locks what waits for an
# order with these references and returns what is to be done once the order exists, if anything.
Settle = Callable[[Order], None]
CreationHook = Callable[..., Settle | None]

_creation_hooks: list[CreationHook] = []


def register_creation_hook(hook: CreationHook) -> None:
    """Let `hook(order_id=, hold_id=, payment_id=)` take part in the creation of every order."""
    _creation_hooks.append(hook)


@durable
def place(*, hold_id: UUID, payment_id: str | None = None, once: Once | None = None) -> Order:
    """Turn an active hold into an order, to be paid within `ORDER_PAYMENT_SECONDS`; parked events apply at once.

    With `once` the same request makes one order, however often it comes. Raises `IdempotencyKeyReused`, `NotFound`,
    `HoldAlreadyUsed`, `HoldReleased`, `HoldExpired`, `PaymentIdInUse`.
    """
    known = idempotency.lock_and_find(Order.objects.as_of_now(), [once])
    if known:
        return idempotency.replayed(known[once.name], once)
    order_id = uuid4()
    names = {"order_id": order_id, "hold_id": hold_id, "payment_id": payment_id}
    references.lock(**names)
    settlements = [hook(**names) for hook in _creation_hooks]
    hold = holds.lock(hold_id)
    now = clock.now()
    holds.convert(hold, now=now)
    if payment_id is not None and Order.objects.filter(payment_id=payment_id).exists():
        raise PaymentIdInUse
    order = _create(order_id, hold, payment_id=payment_id, once=once, now=now)
    _note("order_placed", order, hold_id=hold.pk)
    for settle in settlements:
        if settle is not None:
            settle(order)
    if any(settlements):
        return get(order_id)
    order.read_at = now
    return order


def get(order_id: UUID) -> Order:
    """Return an order annotated for an answer (see `OrderQuerySet.as_of_now`); raises `NotFound`."""
    order = Order.objects.as_of_now().filter(pk=order_id).first()
    if order is None:
        raise NotFound("There is no such order.")
    return order


def lock(order_id: UUID) -> Order:
    """Lock and return an order until the transaction ends; raises `NotFound`."""
    order = Order.objects.select_for_update(no_key=True, of=("self",)).filter(pk=order_id).first()
    if order is None:
        raise NotFound("There is no such order.")
    return order


def lock_all(order_ids: Iterable[UUID]) -> dict[UUID, Order]:
    """Lock and return those of these orders that exist, in ascending id, until the transaction ends."""
    rows = Order.objects.select_for_update(no_key=True, of=("self",)).filter(pk__in=list(order_ids))
    return {order.pk: order for order in rows.order_by("pk")}


def by_payment_id(payment_ids: Iterable[str | None]) -> dict[str, UUID]:
    """Return which order has which of these payment ids."""
    rows = Order.objects.filter(payment_id__in=[payment_id for payment_id in payment_ids if payment_id is not None])
    return dict(rows.values_list("payment_id", "pk"))


@durable
def cancel(order_id: UUID) -> Order:
    """Cancel a pending order and give its units back; a cancelled one stays as it is. Returns the order.

    Raises `NotFound`, `OrderAlreadyPaid`, and `OrderNotPending` for an expired one.
    """
    order = lock(order_id)
    if order.status != Order.Status.CANCELLED:
        mark_cancelled(order)
    return get(order_id)


@durable
def revoke(order_id: UUID) -> Order:
    """Cancel a pending order, for staff, who hear when there was nothing to cancel; returns it as it then stands.

    Raises `NotFound`, `OrderAlreadyPaid`, and `OrderNotPending` for a cancelled or expired one.
    """
    mark_cancelled(lock(order_id))
    return get(order_id)


def mark_cancelled(order: Order) -> None:
    """Cancel a pending order that this transaction has locked. Raises `OrderAlreadyPaid`, `OrderNotPending`."""
    now = clock.now()
    status = order.status_at(now)
    if status == Order.Status.PAID:
        raise OrderAlreadyPaid
    if status != Order.Status.PENDING_PAYMENT:
        raise OrderNotPending(f"The order is {status}.")
    _move(order, to=Order.Status.CANCELLED, closed_at=now)
    inventory.release(order.product_id, units=order.quantity)
    _note("order_cancelled", order)


def mark_paid(order: Order, *, payment_id: str | None) -> None:
    """Mark an order, locked by this transaction, as paid and sell its units; it keeps the first payment id it learns.

    After its payment window the order is paid only when the units can be had again and the customer's limit allows
    it; then it is at least expired when this raises. Raises `OrderAlreadyPaid`, `OrderNotPending` (cancelled),
    `InsufficientStock`, `LimitExceeded`.
    """
    now = clock.now()
    status = order.status_at(now)
    if status == Order.Status.PAID:
        raise OrderAlreadyPaid
    if status == Order.Status.CANCELLED:
        raise OrderNotPending("The order is cancelled.")
    learned = {} if order.payment_id else {"payment_id": payment_id}
    if status == Order.Status.PENDING_PAYMENT:
        _move(order, to=Order.Status.PAID, paid_at=now, **learned)
        inventory.sell(order.product_id, units=order.quantity)
    else:
        _sell_again(order, **learned)
    note_paid(order, late=status != Order.Status.PENDING_PAYMENT)


def mark_all_paid(paid: Sequence[tuple[Order, str | None]], *, now: datetime) -> None:
    """Mark orders that this transaction has locked, and that are pending at `now`, as paid, and sell their units.

    Each keeps its payment id, or learns the one beside it. The caller notes them (`note_paid`).
    """
    with connection.cursor() as cursor:
        cursor.execute(_PAY, [now, [order.pk for order, _ in paid], [payment_id for _, payment_id in paid]])
        if cursor.rowcount != len(paid):
            raise NotPending(f"{len(paid) - cursor.rowcount} of {len(paid)} orders were no longer pending")
    for order, payment_id in paid:
        order.status, order.paid_at, order.payment_id = Order.Status.PAID, now, order.payment_id or payment_id
        inventory.sell(order.product_id, units=order.quantity)


def note_paid(order: Order, *, late: bool = False) -> None:
    """Log and count, when this transaction is committed, that the order was paid; `late`: after its window."""
    _note("order_paid", order, late=late)


def note_refund(order: Order, *, state: Order.Refund, refunded_amount: Decimal) -> None:
    """Record, for a locked order, whether money is due back and how much was given back in all."""
    _write(order, refund=state, refunded_amount=refunded_amount)


@durable
def expire_due(*, limit: int = EXPIRY_BATCH_ROWS) -> int:
    """Expire at most `limit` overdue orders, oldest first, skipping those that somebody else has locked.

    Returns how many were expired.
    """
    now = clock.now()
    due = Order.objects.overdue(now).select_for_update(no_key=True, of=("self",), skip_locked=True)
    return _expire(due.order_by("payment_due_at")[:limit], now=now)


@durable
def take_back(product_id: int) -> int:
    """Expire one product's overdue orders, waiting for those that somebody else is working on.

    Returns how many were expired: at most `EXPIRY_BATCH_ROWS`.
    """
    now = clock.now()
    due = Order.objects.overdue(now).filter(product_id=product_id).select_for_update(no_key=True, of=("self",))
    return _expire(due.order_by("pk")[:EXPIRY_BATCH_ROWS], now=now)


def _create(order_id: UUID, hold: Hold, *, payment_id: str | None, once: Once | None, now: datetime) -> Order:
    return Order.objects.create(
        pk=order_id,
        hold=hold,
        product_id=hold.product_id,
        quantity=hold.quantity,
        unit_price=hold.unit_price,
        total_amount=hold.unit_price * hold.quantity,
        currency=hold.currency,
        customer_id=hold.customer_id,
        payment_id=payment_id,
        created_at=now,
        payment_due_at=now + timedelta(seconds=settings.ORDER_PAYMENT_SECONDS),
        **(once.columns if once else {}),
    )


def _sell_again(order: Order, **learned: str | None) -> None:
    """Sell the units of an order whose payment window is over, if they can be had."""
    if order.status == Order.Status.PENDING_PAYMENT:
        _move(order, to=Order.Status.EXPIRED, closed_at=clock.now())
        inventory.release(order.product_id, units=order.quantity)
        _note("orders_expired", order)
    stock = inventory.lock(order.product_id)
    now = clock.now()
    product = Product.objects.get(pk=order.product_id)
    if product.max_per_customer is not None and order.customer_id:
        has = limits.units_of(product.pk, customer_ids=[order.customer_id], now=now)
        limits.check(product, customer_id=order.customer_id, quantity=order.quantity, has=has[order.customer_id])
    inventory.sell_unreserved(stock, units=order.quantity)
    _move(order, to=Order.Status.PAID, paid_at=now, **learned)


def _expire(locked: QuerySet[Order], *, now: datetime) -> int:
    """Expire the pending orders that this queryset locks, and give their units back: one stock update per product."""
    rows = list(locked.values_list("pk", "product_id", "quantity"))
    pending = Order.objects.filter(pk__in=[pk for pk, _, _ in rows], status=Order.Status.PENDING_PAYMENT)
    if pending.update(status=Order.Status.EXPIRED, closed_at=now) != len(rows):
        raise NotPending("an overdue order had already left `pending_payment`")
    inventory.release_all((product_id, quantity) for _, product_id, quantity in rows)
    if rows:
        events.note_at_commit("orders_expired", count=len(rows))
    return len(rows)


def _note(event: str, order: Order, **fields: Any) -> None:
    events.note_at_commit(event, order_id=order.pk, product_id=order.product_id, units=order.quantity, **fields)


def _move(order: Order, *, to: Order.Status, **columns: Any) -> None:
    """Change the status of a locked order, on condition that it still has the one it was read with."""
    still = Order.objects.filter(pk=order.pk, status=order.status)
    columns["status"] = to
    if still.update(**columns) != 1:
        raise NotPending(f"order {order.pk} was no longer {order.status}")
    for name, value in columns.items():
        setattr(order, name, value)


def _write(order: Order, **columns: Any) -> None:
    Order.objects.filter(pk=order.pk).update(**columns)
    for name, value in columns.items():
        setattr(order, name, value)

"""Orders: placed, paid, cancelled, expired. The only writer of an order's columns."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet

from catalog import inventory, overdue
from catalog.models import Product
from checkout import holds, idempotency, limits, proved_payments, reference_locks
from checkout.idempotency import IdempotencyKey
from checkout.models import Hold, Order
from checkout.orders.requests import ApplyEarlyEvents, CreationHook, OrderRequest, decide
from flashsale.core import clock, events
from flashsale.core.refusals import NotFound, Refusal
from flashsale.core.submissions.once import retrying_transaction_once
from flashsale.core.transactions import retrying_transaction

EXPIRY_BATCH_ROWS = 2_000

_PAY = """
UPDATE checkout_order AS ours
SET status = 'paid', paid_at = %s, payment_id = coalesce(each.payment_id, ours.payment_id)
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


class StaleOrderError(RuntimeError):
    """A locked order did not have the status it was read with: a fault of this program, everything was undone."""


_creation_hooks: list[CreationHook] = []


def register_creation_hook(hook: CreationHook) -> None:
    """Let `hook(requests)` take part in the creation of every order."""
    _creation_hooks.append(hook)


def place(
    *,
    hold_id: UUID,
    payment_id: str | None = None,
    is_payment_id_proved: bool = False,
    once: IdempotencyKey | None = None,
) -> Order:
    """Turn an active hold into an order, to be paid within `ORDER_PAYMENT_SECONDS`; parked events apply at once.

    A payment id that is not proved is a claim. With `once` the same request makes one order, however often it comes.
    Raises `IdempotencyKeyReused`, `NotFound`, `HoldAlreadyUsed`, `HoldReleased`, `HoldExpired`, `PaymentIdInUse`.
    """
    request = OrderRequest(hold_id=hold_id, payment_id=payment_id, is_payment_id_proved=is_payment_id_proved, once=once)
    [result] = place_batch([request])
    if isinstance(result, Refusal):
        raise result
    return result


@retrying_transaction
def place_batch(requests: Sequence[OrderRequest]) -> list[Order | Refusal]:
    """Do what `place` does for each request, in one transaction; return an order or a refusal for each.

    No two may have the same hold, payment id or Idempotency-Key.
    """
    known = idempotency.lock_and_find(Order.objects.as_of_now(), [request.once for request in requests])
    fresh = [request for request in requests if request.once is None or request.once.name not in known]
    reference_locks.lock_all(request.names for request in fresh)
    waiting = [hook(fresh) for hook in _creation_hooks]
    found = holds.lock_all(request.hold_id for request in fresh)
    proofs = proved_payments.find(request.payment_id for request in fresh)
    now = clock.now()
    decided: dict[UUID, Order | Refusal] = {}
    for request, *answers in zip(fresh, *waiting, strict=True):
        decided[request.order_id] = decide(request, answers, found.get(request.hold_id), proofs, now=now)
    _create(fresh, decided, found, now=now)
    # Payments that waited write to stocks at once, which are locked in ascending id.
    by_product = sorted(
        zip(fresh, *waiting, strict=True), key=lambda one: getattr(decided[one[0].order_id], "product_id", 0)
    )
    for request, *answers in by_product:
        with events.bound_to_request(request.request_id):
            decided[request.order_id] = _apply_early_events(decided[request.order_id], answers)
    return [
        decided[request.order_id] if request.order_id in decided else idempotency.replay_or_refusal(known, request.once)
        for request in requests
    ]


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


def lock_stocks(order_ids: Iterable[UUID]) -> None:
    """Lock the stock of these orders' products, in ascending id, until the transaction ends."""
    rows = Order.objects.filter(pk__in=list(order_ids))
    inventory.lock_all(rows.values_list("product_id", flat=True))


@retrying_transaction
def cancel(order_id: UUID) -> Order:
    """Cancel a pending order and give its units back; a cancelled one stays as it is. Returns the order.

    Raises `NotFound`, `OrderAlreadyPaid`, and `OrderNotPending` for an expired one.
    """
    order = lock(order_id)
    if order.status != Order.Status.CANCELLED:
        mark_cancelled(order)
    return get(order_id)


@retrying_transaction_once
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
    _transition(order, to=Order.Status.CANCELLED, closed_at=now)
    inventory.release(order.product_id, units=order.quantity)
    _note("order_cancelled", order)


def mark_paid(order: Order, *, payment_id: str | None) -> None:
    """Mark an order, locked by this transaction, as paid and sell its units; it then shows the payment id that paid it.

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
    learned = {"payment_id": payment_id} if payment_id else {}
    if status == Order.Status.PENDING_PAYMENT:
        _transition(order, to=Order.Status.PAID, paid_at=now, **learned)
        inventory.sell(order.product_id, units=order.quantity)
    else:
        _pay_late(order, **learned)
    note_paid(order, late=status != Order.Status.PENDING_PAYMENT)


def mark_all_paid(paid: Sequence[tuple[Order, str | None]], *, now: datetime) -> None:
    """Mark orders that this transaction has locked, and that are pending at `now`, as paid, and sell their units.

    The order shows the payment id beside it from then on, which is proved. The caller notes them (`note_paid`).
    """
    with connection.cursor() as cursor:
        cursor.execute(_PAY, [now, [order.pk for order, _ in paid], [payment_id for _, payment_id in paid]])
        if cursor.rowcount != len(paid):
            raise StaleOrderError(f"{len(paid) - cursor.rowcount} of {len(paid)} orders were no longer pending")
    for order, payment_id in paid:
        order.status, order.paid_at, order.payment_id = Order.Status.PAID, now, payment_id or order.payment_id
        inventory.sell(order.product_id, units=order.quantity)


def note_paid(order: Order, *, late: bool = False) -> None:
    """Log and count, when this transaction is committed, that the order was paid; `late`: after its window."""
    _note("order_paid", order, late=late)


def prove_payment(order: Order, payment_id: str) -> None:
    """Record, for a locked order, that a provider's event which names it brought this payment id.

    The order shows it unless it shows a proved one already.
    """
    proved_payments.prove_by_events([(payment_id, order.pk)], now=clock.now())
    if order.payment_id not in proved_payments.of_order(order.pk):
        _write(order, payment_id=payment_id)


def set_refund_state(order: Order, *, state: Order.Refund, refunded_amount: Decimal) -> None:
    """Record, for a locked order, whether money is due back and how much was given back in all."""
    _write(order, refund=state, refunded_amount=refunded_amount)


@retrying_transaction
def expire_due(*, limit: int = EXPIRY_BATCH_ROWS) -> int:
    """Expire at most `limit` overdue orders, oldest first, skipping those that somebody else has locked.

    Returns how many were expired.
    """
    now = clock.now()
    due = Order.objects.overdue(now).select_for_update(no_key=True, of=("self",), skip_locked=True)
    return _expire(due.order_by("payment_due_at")[:limit], now=now)


@retrying_transaction
def reclaim(product_id: int) -> int:
    """Expire one product's overdue orders, waiting for those that somebody else is working on.

    Returns how many were expired: at most `overdue.BATCH_ROWS`.
    """
    now = clock.now()
    due = Order.objects.overdue(now).filter(product_id=product_id).select_for_update(no_key=True, of=("self",))
    return _expire(due.order_by("pk")[: overdue.BATCH_ROWS], now=now)


def _create(
    fresh: list[OrderRequest], decided: dict[UUID, Order | Refusal], found: dict[UUID, Hold], *, now: datetime
) -> None:
    """Store the orders with their proved payment ids, and mark the locked holds that they are made of."""
    made = [order for order in decided.values() if isinstance(order, Order)]
    if not made:
        return
    holds.convert([found[order.hold_id] for order in made], now=now)
    Order.objects.bulk_create(made)
    proved_payments.prove_by_tokens(
        [
            (request.payment_id, request.order_id)
            for request in fresh
            if request.proved_payment_id is not None and isinstance(decided[request.order_id], Order)
        ],
        now=now,
    )


def _apply_early_events(order: Order | Refusal, answers: list[ApplyEarlyEvents | Refusal | None]) -> Order | Refusal:
    """Let what waited for a new order apply to it."""
    if isinstance(order, Refusal):
        return order
    _note("order_placed", order, hold_id=order.hold_id)
    waiting = [settle for settle in answers if settle is not None]
    for settle in waiting:
        settle(order)
    return get(order.pk) if waiting else order


def _pay_late(order: Order, **learned: str | None) -> None:
    """Sell the units of an order whose payment window is over, if they can be had."""
    if order.status == Order.Status.PENDING_PAYMENT:
        _transition(order, to=Order.Status.EXPIRED, closed_at=clock.now())
        inventory.release(order.product_id, units=order.quantity)
        _note("orders_expired", order)
    stock = inventory.lock(order.product_id)
    now = clock.now()
    product = Product.objects.get(pk=order.product_id)
    if product.max_per_customer is not None and order.customer_id:
        claimed = limits.units_of(product.pk, customer_ids=[order.customer_id], now=now)
        limits.check(product, claimed, customer_id=order.customer_id, quantity=order.quantity)
    inventory.sell_unreserved(stock, units=order.quantity)
    _transition(order, to=Order.Status.PAID, paid_at=now, **learned)


def _expire(locked: QuerySet[Order], *, now: datetime) -> int:
    """Expire the pending orders that this queryset locks, and give their units back: one stock update per product."""
    rows = list(locked.values_list("pk", "product_id", "quantity"))
    pending = Order.objects.filter(pk__in=[pk for pk, _, _ in rows], status=Order.Status.PENDING_PAYMENT)
    if pending.update(status=Order.Status.EXPIRED, closed_at=now) != len(rows):
        raise StaleOrderError("an overdue order had already left `pending_payment`")
    inventory.release_all((product_id, quantity) for _, product_id, quantity in rows)
    if rows:
        events.record_on_commit("orders_expired", count=len(rows))
    return len(rows)


def _note(event: str, order: Order, **fields: Any) -> None:
    events.record_on_commit(event, order_id=order.pk, product_id=order.product_id, units=order.quantity, **fields)


def _transition(order: Order, *, to: Order.Status, **columns: Any) -> None:
    """Change the status of a locked order, on condition that it still has the one it was read with."""
    still = Order.objects.filter(pk=order.pk, status=order.status)
    columns["status"] = to
    if still.update(**columns) != 1:
        raise StaleOrderError(f"order {order.pk} was no longer {order.status}")
    for name, value in columns.items():
        setattr(order, name, value)


def _write(order: Order, **columns: Any) -> None:
    Order.objects.filter(pk=order.pk).update(**columns)
    for name, value in columns.items():
        setattr(order, name, value)

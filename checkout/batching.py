"""Requests that come at the same moment share one transaction (see `flashsale.core.batching`): those for one product's
units, and those for orders.

Nothing is decided here: that is `holds.place_batch` and `orders.place_batch`, which the leader of a line calls for
everybody in it. Leaders of other processes, and two of this one, are kept apart by row locks.
"""

import functools
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from catalog.inventory import InsufficientStock
from checkout import holds, orders, sold_out
from checkout.holds.requests import HoldRequest
from checkout.models import Hold, Order
from checkout.orders.requests import OrderRequest
from flashsale.core import metrics
from flashsale.core.batching import Batch, Batcher, batch_else_individually, capture
from flashsale.core.capacity import shares
from flashsale.core.capacity.bulkheads import Bulkhead
from flashsale.core.refusals import Refusal
from flashsale.core.transactions import OutcomeUnknown, is_transient

Outcome = Hold | Order | Refusal | Exception

# Waiting for a locked stock row takes a connection: the rest of the pool is left for other requests.
_stock_locks = Bulkhead(shares.stock_locks, waiting=shares.lock_waiters, wait_seconds=shares.LOCK_WAIT_SECONDS)


def place(*, product_id: int, **wanted: Any) -> Hold:
    """Do what `holds.place` does, with those who want the same product at the same moment.

    Raises what `holds.place` raises, `Busy` when there is no room or no turn in time, and `OutcomeUnknown`.
    """
    request = HoldRequest(**wanted)
    sold_out.check(product_id=product_id, quantity=request.quantity, once=request.once)
    return hold_batcher.submit(product_id, request)


def place_order(**wanted: Any) -> Order:
    """Do what `orders.place` does, with those who order at the same moment.

    Raises what `orders.place` raises, `Busy` when there is no room or no turn in time, and `OutcomeUnknown`.
    """
    return order_batcher.submit(None, OrderRequest(**wanted))


def release(hold_id: UUID) -> None:
    """Do what `holds.release` does. Raises what that raises, and `Busy` while too many wait for locked rows."""
    with _stock_locks.entered():
        holds.release(hold_id)


def cancel(order_id: UUID) -> Order:
    """Do what `orders.cancel` does. Raises what that raises, and `Busy` while too many wait for locked rows."""
    with _stock_locks.entered():
        return orders.cancel(order_id)


def _place_orders(_, batch: Batch[OrderRequest, Order]) -> Sequence[Outcome]:
    return batch_else_individually(batch.requests, orders.place_batch, lambda request: orders.place_batch([request])[0])


def _shares_nothing(request: OrderRequest, others: list[OrderRequest]) -> bool:
    """Say whether nobody beside wants the same hold or payment id, or has the same Idempotency-Key."""
    return not any(_marks(request) & _marks(other) for other in others)


def _marks(request: OrderRequest) -> set[tuple]:
    marks = {("hold", request.hold_id), ("payment", request.payment_id), ("once", request.once and request.once.name)}
    return {mark for mark in marks if mark[1] is not None}


def _fits(request: HoldRequest, others: list[HoldRequest]) -> bool:
    """Say whether nobody beside has the same Idempotency-Key: its second request waits for the first one's hold."""
    return request.once is None or all(other.once is None or other.once.name != request.once.name for other in others)


def _decide(product_id: int, batch: Batch[HoldRequest, Hold]) -> list[Outcome]:
    """Return what each request gets, while this thread is one of those that may wait for a locked row."""
    with _stock_locks.entered():
        outcomes = _place_holds(product_id, batch)
    if any(isinstance(outcome, InsufficientStock) for outcome in outcomes):
        sold_out.record_shortage(product_id)
    return outcomes


def _place_holds(product_id: int, batch: Batch[HoldRequest, Hold]) -> list[Outcome]:
    """Decide all together; a non-transient error may concern one request: then run each alone."""
    first = len(batch.requests)

    def latecomers() -> list[HoldRequest]:
        # Keys are locked before the stock is.
        batch.admit(lambda request: request.once is None)
        return batch.requests[first:]

    try:
        outcomes = holds.place_batch(product_id=product_id, requests=batch.requests, more=latecomers)
    except Exception as error:
        if isinstance(error, OutcomeUnknown) or is_transient(error) or len(batch.requests) == 1:
            raise
        return [capture(functools.partial(_alone, product_id), request) for request in batch.requests]
    metrics.BATCH_REQUESTS.observe(len(outcomes))
    return outcomes


def _alone(product_id: int, request: HoldRequest) -> Hold | Refusal:
    return holds.place_batch(product_id=product_id, requests=[request])[0]


order_batcher: Batcher[OrderRequest, Order] = Batcher(
    _place_orders, compatible=_shares_nothing, max_in_flight=shares.orders
)
hold_batcher: Batcher[HoldRequest, Hold] = Batcher(_decide, compatible=_fits, max_in_flight=shares.holds)

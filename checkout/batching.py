"""Requests that come at the same moment share one transaction (see `flashsale.core.batching`): those for one product's
units, and those for orders.

Nothing is decided here: that is `holds.place_batch` and `orders.place_batch`, which the leader of a line calls for
everybody in it. Leaders of other processes, and two of this one, are kept apart by row locks.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from catalog.inventory import InsufficientStock
from checkout import holds, orders, sold_out
from checkout.holds.requests import HoldRequest
from checkout.models import Hold, Order
from checkout.orders.requests import OrderRequest
from flashsale.core import metrics
from flashsale.core.batching import Admit, Batcher, is_fault, is_fault_or_lock_timeout
from flashsale.core.capacity import shares
from flashsale.core.capacity.bulkheads import Bulkhead
from flashsale.core.refusals import Refusal

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


def _process_orders(_: None, requests: list[OrderRequest], admit: Admit[OrderRequest]) -> Sequence[Order | Refusal]:
    return orders.place_batch(requests)


def _shares_nothing(request: OrderRequest, others: list[OrderRequest]) -> bool:
    """Say whether no other request has the same hold, payment id or Idempotency-Key."""
    return not any(_marks(request) & _marks(other) for other in others)


def _marks(request: OrderRequest) -> set[tuple]:
    marks = {("hold", request.hold_id), ("payment", request.payment_id), ("once", request.once and request.once.name)}
    return {mark for mark in marks if mark[1] is not None}


def _fits(request: HoldRequest, others: list[HoldRequest]) -> bool:
    """Say whether no other request has the same Idempotency-Key: the second one waits for the first one's hold."""
    return request.once is None or all(other.once is None or other.once.name != request.once.name for other in others)


def _process_holds(product_id: int, requests: list[HoldRequest], admit: Admit[HoldRequest]) -> Sequence[Hold | Refusal]:
    """Place the holds while this thread is one of those that may wait for a locked stock row."""
    with _stock_locks.entered():
        results = holds.place_batch(product_id=product_id, requests=requests, admit=admit)
    metrics.BATCH_REQUESTS.observe(len(results))
    if any(isinstance(result, InsufficientStock) for result in results):
        sold_out.record_shortage(product_id)
    return results


order_batcher: Batcher[None, OrderRequest, Order] = Batcher(
    _process_orders, compatible=_shares_nothing, isolates=is_fault_or_lock_timeout, max_in_flight=shares.orders
)
# Idempotency-Keys are locked before the stock, so that a request with a key cannot be admitted afterwards.
hold_batcher: Batcher[int, HoldRequest, Hold] = Batcher(
    _process_holds,
    compatible=_fits,
    admissible=lambda request: request.once is None,
    isolates=is_fault,
    max_in_flight=shares.holds,
)

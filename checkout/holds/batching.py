"""Concurrent requests for one product share a transaction (group commit, see `flashsale.core.batching`)."""

from collections.abc import Sequence

from checkout.bulkheads import stock_locks
from checkout.holds import placing
from checkout.holds.reading import HoldView
from checkout.holds.requests import HoldRequest
from checkout.idempotency import IdempotencyKey
from flashsale.core import metrics
from flashsale.core.batching import Admit, Batcher, is_fault
from flashsale.core.capacity import shares
from flashsale.core.refusals import Refusal


def submit(
    *,
    product_id: int,
    quantity: int,
    ttl_seconds: int | None = None,
    customer_id: str = "",
    key: IdempotencyKey | None = None,
) -> HoldView:
    """Do what `placing.place` does, in one transaction with concurrent requests for the same product.

    Raises what `placing.place` raises, `Busy` when there are too many requests or no time, and `OutcomeUnknown`.
    """
    request = HoldRequest(quantity=quantity, ttl_seconds=ttl_seconds, customer_id=customer_id, key=key)
    return hold_batcher.submit(product_id, request)


def _process(product_id: int, requests: list[HoldRequest], admit: Admit[HoldRequest]) -> Sequence[HoldView | Refusal]:
    with stock_locks.entered():
        results = placing.place_batch(product_id=product_id, requests=requests, admit=admit)
    metrics.BATCH_REQUESTS.observe(len(results))
    return results


def _has_another_key(request: HoldRequest, others: list[HoldRequest]) -> bool:
    """Say whether no other request has the same Idempotency-Key: the second one waits for the first one's hold."""
    return request.key is None or all(other.key is None or other.key.name != request.key.name for other in others)


def _has_no_key(request: HoldRequest) -> bool:
    """Say whether a request may be admitted once the stock is locked: keys are locked before the stock."""
    return request.key is None


# All requests of a batch wait for one stock row, so that a lock timeout concerns every one of them.
hold_batcher: Batcher[int, HoldRequest, HoldView] = Batcher(
    _process, compatible=_has_another_key, admissible=_has_no_key, isolates=is_fault, max_in_flight=shares.holds
)

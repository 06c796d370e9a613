"""Concurrent requests share a transaction (group commit, see `flashsale.core.batching`).

Usually those for one product. While requests for many products are in progress, each product has few, and products
share transactions too. Such a transaction only grants; the batch of the product waits for its stock, and refuses.
"""

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from uuid import UUID

from django.db import OperationalError

from catalog.bulkheads import stock_locks
from checkout.holds import placing
from checkout.holds.placing import NotGranted, StockLocked
from checkout.holds.reading import HoldView
from checkout.holds.requests import HoldRequest
from checkout.idempotency import IdempotencyKey
from flashsale.core import metrics
from flashsale.core.batching import Admit, Batcher, is_fault
from flashsale.core.capacity import shares
from flashsale.core.refusals import Refusal
from flashsale.core.transactions import is_lock_timeout

# From so many products on, each has so few requests that their transactions cost more than those share.
SHARING_PRODUCTS = 4
# How often a request joins a shared transaction before it joins the batch of its product: another process's shared
# transaction may have locked its stock, for a few milliseconds.
SHARED_TRIES = 3
# For how long a product has batches of its own after its stock was locked for long.
APART_SECONDS = 10.0
MAX_APART = 1_000


def submit(
    *,
    product_id: int,
    quantity: int,
    ttl_seconds: int | None = None,
    customer_id: str = "",
    key: IdempotencyKey | None = None,
    ticket_id: UUID | None = None,
) -> HoldView:
    """Do what `placing.place` does, in one transaction with concurrent requests for the same product.

    Raises what `placing.place` raises, `Busy` when there are too many requests or no time, and `OutcomeUnknown`.
    """
    request = HoldRequest(
        quantity=quantity, ttl_seconds=ttl_seconds, customer_id=customer_id, key=key, ticket_id=ticket_id
    )
    with products.requested(product_id):
        view = _submit_shared(product_id, request) if key is None else None
        return view or hold_batcher.submit(product_id, request)


def _submit_shared(product_id: int, request: HoldRequest) -> HoldView | None:
    """Return the hold that a transaction for many products placed; None where there was none, or it placed none."""
    for _ in range(SHARED_TRIES):
        if not products.share_transactions(product_id):
            break
        try:
            return shared_batcher.submit(None, (product_id, request))
        except StockLocked:
            continue
        except NotGranted:
            break
    return None


class ProductsInProgress:
    """The products that requests of this process are in progress for."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._requests: Counter[int] = Counter()
        # Monotonic seconds.
        self._apart_until: dict[int, float] = {}

    @contextlib.contextmanager
    def requested(self, product_id: int) -> Iterator[None]:
        """Count a request for the product as long as it is in progress."""
        with self._mutex:
            self._requests[product_id] += 1
        try:
            yield
        finally:
            with self._mutex:
                self._requests[product_id] -= 1
                if not self._requests[product_id]:
                    del self._requests[product_id]

    def share_transactions(self, product_id: int) -> bool:
        """Say whether many products are in progress, and this one was not kept apart lately."""
        many = len(self._requests) >= SHARING_PRODUCTS
        return many and self._apart_until.get(product_id, 0.0) < time.monotonic()

    def keep_apart(self, product_id: int) -> None:
        """Let the product have its own batches for `APART_SECONDS`: its stock was locked for long."""
        with self._mutex:
            if len(self._apart_until) >= MAX_APART:
                self._apart_until.clear()
            self._apart_until[product_id] = time.monotonic() + APART_SECONDS

    def reset(self) -> None:
        """Forget which products are kept apart."""
        with self._mutex:
            self._apart_until.clear()


def _process(product_id: int, requests: list[HoldRequest], admit: Admit[HoldRequest]) -> Sequence[HoldView | Refusal]:
    with stock_locks.entered():
        results = placing.place_batch(product_id=product_id, requests=requests, admit=admit)
    metrics.BATCH_REQUESTS.observe(len(results))
    return results


def _process_shared(
    _: None, requests: list[tuple[int, HoldRequest]], admit: Admit[tuple[int, HoldRequest]]
) -> Sequence[HoldView | StockLocked | NotGranted]:
    try:
        with stock_locks.entered():
            results = placing.place_shared(requests)
    except OperationalError as error:
        if not is_lock_timeout(error):
            raise
        products.keep_apart(requests[0][0])
        return [StockLocked() for _ in requests]
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
    _process,
    compatible=_has_another_key,
    admissible=_has_no_key,
    isolates=is_fault,
    max_in_flight=shares.holds,
    gathers=True,
)
shared_batcher: Batcher[None, tuple[int, HoldRequest], HoldView] = Batcher(
    _process_shared, isolates=is_fault, max_in_flight=shares.holds, gathers=True
)
products = ProductsInProgress()

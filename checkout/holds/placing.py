"""Places holds: lock the keys, lock the stock, decide, write with the commit."""

from collections.abc import Sequence
from uuid import UUID

from catalog import inventory, overdue
from catalog.inventory import InsufficientStock, LockedProduct
from catalog.models import Product, Stock
from catalog.sales import LimitExceeded
from checkout import idempotency
from checkout.holds import reading
from checkout.holds.reading import HoldView
from checkout.holds.requests import HoldRequest, decide, with_overdue_units
from checkout.idempotency import IdempotencyKey
from checkout.models import Hold
from checkout.waiting_room.refusals import TicketUsed
from flashsale.core import rows
from flashsale.core.batching import Admit
from flashsale.core.refusals import NotFound, Refusal
from flashsale.core.transactions import defer_to_commit, retrying_transaction

# How long requests for other products may wait for the stock of one.
SHARED_LOCK_WAIT_MS = 50


class StockLocked(Exception):
    """Nothing was done for a request: another transaction has locked the product's stock."""


class NotGranted(Exception):
    """Nothing was done for a request: not all requests for its product can be granted, or there is no such product."""


def place(
    *,
    product_id: int,
    quantity: int,
    ttl_seconds: int | None = None,
    customer_id: str = "",
    key: IdempotencyKey | None = None,
    ticket_id: UUID | None = None,
) -> Hold:
    """Reserve `quantity` units for `ttl_seconds`, or return the hold that an equal request got: a batch of one.

    Raises the first that applies of `IdempotencyKeyReused`, `NotFound`, `InvalidRequest` (the product asks for a
    customer id), `SaleNotStarted`, `SaleEnded`, `SalePaused`, `TicketInvalid` and `TicketUsed` (where the product has
    a queue), `LimitExceeded` and `InsufficientStock`.
    """
    request = HoldRequest(
        quantity=quantity, ttl_seconds=ttl_seconds, customer_id=customer_id, key=key, ticket_id=ticket_id
    )
    [result] = place_batch(product_id=product_id, requests=[request])
    if isinstance(result, Refusal):
        raise result
    return result.hold


def place_batch(
    *, product_id: int, requests: Sequence[HoldRequest], admit: Admit[HoldRequest] = list
) -> list[HoldView | Refusal]:
    """Grant the requests for one product in their order, in one transaction; return a hold or refusal for each.

    No two may have the same Idempotency-Key. `admit`, called once the stock is locked, returns the requests that
    arrived during the wait for the lock: they have no key, and are decided after the others.

    When a request is refused for lack of units, for its customer's limit, or because its ticket is used, and overdue
    units are the cause, the batch is rolled back, the overdue units are reclaimed in transactions of their own, and the
    batch is decided once more.
    """
    return overdue.reclaiming(lambda may_reclaim: _place_batch(product_id, requests, admit, may_reclaim=may_reclaim))


@retrying_transaction
def place_shared(requests: Sequence[tuple[int, HoldRequest]]) -> list[HoldView | StockLocked | NotGranted]:
    """Grant requests for several products, each given with its product's id and without a key, in one transaction.

    It refuses nothing: the requests for a product are all granted, or none of them is. Waits for the stock of the first
    request's product alone, for `SHARED_LOCK_WAIT_MS`. Raises `OperationalError` (a lock timeout).
    """
    by_product: dict[int, list[HoldRequest]] = {}
    for product_id, request in requests:
        by_product.setdefault(product_id, []).append(request)
    first, *others = by_product
    locked = inventory.lock_free_for_claims(first, others, wait_ms=SHARED_LOCK_WAIT_MS)
    views: dict[UUID, HoldView] = {}
    for product_id, product in locked.items():
        if product is not None:
            views |= _grant_all(product, by_product[product_id])
    if views:
        defer_to_commit(rows.insertion([view.hold for view in views.values()]))
    busy = {product_id for product_id, product in locked.items() if product is None}
    return [
        views.get(request.hold_id) or (StockLocked() if product_id in busy else NotGranted())
        for product_id, request in requests
    ]


def _grant_all(locked: LockedProduct, requests: Sequence[HoldRequest]) -> dict[UUID, HoldView]:
    """Reserve the units of all requests, and return their holds by id; none where one would be refused."""
    granted = [result for result in decide(locked, requests) if isinstance(result, Hold)]
    if len(granted) < len(requests):
        return {}
    inventory.reserve(locked.stock, units=sum(hold.quantity for hold in granted))
    return {hold.pk: HoldView(hold=hold, read_at=locked.read_at) for hold in granted}


@retrying_transaction
def _place_batch(
    product_id: int, requests: Sequence[HoldRequest], admit: Admit[HoldRequest], *, may_reclaim: bool
) -> list[HoldView | Refusal]:
    keys = {request.hold_id: request.key for request in requests}
    results = idempotency.lock_and_replay(Hold.objects.select_related("order"), keys, view=reading.replayed)
    new = [request for request in requests if request.hold_id not in results]
    admitted: Sequence[HoldRequest] = []
    # On a retry `admit` also returns the requests that an earlier run admitted: there may be no other new ones.
    if new or admit():
        locked = _lock(product_id)
        admitted = admit()
        new += admitted
        placed = _place_new(locked, new, may_reclaim=may_reclaim)
        results |= {request.hold_id: result for request, result in zip(new, placed, strict=True)}
    return [results[request.hold_id] for request in [*requests, *admitted]]


def _lock(product_id: int) -> LockedProduct | None:
    try:
        return inventory.lock_for_claims(product_id)
    except (Stock.DoesNotExist, Product.DoesNotExist):
        return None


def _may_pass_after_reclaim(result: Hold | Refusal) -> bool:
    return isinstance(result, (LimitExceeded, TicketUsed)) and result.may_pass_after_reclaim


def _place_new(
    locked: LockedProduct | None, requests: Sequence[HoldRequest], *, may_reclaim: bool
) -> list[HoldView | Refusal]:
    if locked is None:
        return [NotFound("There is no such product.") for _ in requests]
    results = decide(locked, requests)
    if may_reclaim and any(map(_may_pass_after_reclaim, results)):
        raise overdue.ReclaimFirst(locked.product.pk)
    if any(isinstance(result, InsufficientStock) for result in results):
        overdue_units = overdue.count(locked.product.pk, at=locked.read_at)
        if overdue_units and may_reclaim:
            raise overdue.ReclaimFirst(locked.product.pk)
        results = [with_overdue_units(result, overdue_units) for result in results]

    granted = [result for result in results if isinstance(result, Hold)]
    if granted:
        defer_to_commit(rows.insertion(granted))
        inventory.reserve(locked.stock, units=sum(hold.quantity for hold in granted))
    return [HoldView(hold=result, read_at=locked.read_at) if isinstance(result, Hold) else result for result in results]

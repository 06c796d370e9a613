"""Holds: placed, released, expired. The only writer of a hold's status, except that an order converts it."""

import itertools
from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet

from catalog import inventory, overdue
from catalog.inventory import InsufficientStock
from catalog.models import Product, Stock
from catalog.sales import LimitExceeded
from checkout import idempotency
from checkout.holds.requests import HoldRequest, decide, with_overdue
from checkout.idempotency import IdempotencyKey
from checkout.models import Hold
from flashsale.core import clock, events
from flashsale.core.batching import Admit
from flashsale.core.refusals import NotFound, Refusal
from flashsale.core.submissions.once import retrying_transaction_once
from flashsale.core.transactions import retrying_transaction

EXPIRY_BATCH_ROWS = 2_000
NO_SUCH_HOLD = "There is no such hold."

# What the holds of one batch share is said once, the rest comes as arrays: `bulk_create` costs four times as much, and
# the stock's row is locked meanwhile.
_INSERT = """
INSERT INTO checkout_hold (
    product_id, unit_price, currency, status, created_at,
    id, quantity, customer_id, expires_at, client, idempotency_key, body_hash
)
SELECT %s, %s, %s, %s, %s, each.*
FROM unnest(%s::uuid[], %s::integer[], %s::text[], %s::timestamptz[], %s::text[], %s::text[], %s::text[]) AS each
"""

_END = """
WITH due AS ({due}), ended AS (
    UPDATE checkout_hold AS hold SET status = %s, ended_at = %s FROM due
    WHERE hold.id = due.pk AND hold.status = 'active'
    RETURNING hold.product_id, hold.quantity
)
SELECT product_id, count(*), sum(quantity)::integer FROM ended GROUP BY product_id
"""


class HoldExpired(Refusal):
    code = "hold_expired"
    title = "Hold has expired"


class HoldReleased(Refusal):
    code = "hold_released"
    title = "Hold was released"


class HoldAlreadyUsed(Refusal):
    """Carries `order_id`, the order that was made of the hold."""

    code = "hold_already_used"
    title = "Hold was already used"


class StaleHoldError(RuntimeError):
    """A locked hold was not active although it was read as active: a fault of this program, everything was undone."""


def place(
    *,
    product_id: int,
    quantity: int,
    ttl_seconds: int | None = None,
    customer_id: str = "",
    once: IdempotencyKey | None = None,
) -> Hold:
    """Set `quantity` units aside for `ttl_seconds`, or return what the same request got before; a batch of one.

    Raises the first that applies of `IdempotencyKeyReused`, `NotFound`, `InvalidRequest` (the product asks for a
    customer id), `SaleNotStarted`, `SaleEnded`, `SalePaused`, `LimitExceeded` and `InsufficientStock`.
    """
    request = HoldRequest(quantity=quantity, ttl_seconds=ttl_seconds, customer_id=customer_id, once=once)
    [result] = place_batch(product_id=product_id, requests=[request])
    if isinstance(result, Refusal):
        raise result
    return result


def place_batch(
    *, product_id: int, requests: Sequence[HoldRequest], admit: Admit[HoldRequest] = list
) -> list[Hold | Refusal]:
    """Grant the requests for one product in their order, in one transaction; return a hold or refusal for each.

    No two may have the same Idempotency-Key. `admit` returns, once the stock is locked, the requests that arrived while
    the lock was waited for: they have no key, and are decided after the others.

    When a request finds too few units, or its customer has too many, and some are overdue, the batch is undone, the
    overdue units are taken back in transactions of their own, and the batch is decided once more.
    """
    return overdue.reclaiming(lambda may_reclaim: _grant(product_id, requests, admit, may_reclaim=may_reclaim))


def get(hold_id: UUID) -> Hold:
    """Return a hold annotated for an answer (see `HoldQuerySet.as_of_now`); raises `NotFound`."""
    hold = Hold.objects.as_of_now().filter(pk=hold_id).first()
    if hold is None:
        raise NotFound(NO_SUCH_HOLD)
    return hold


@retrying_transaction
def release(hold_id: UUID) -> None:
    """Give a hold up; nothing happens when it has ended without an order. Raises `NotFound`, `HoldAlreadyUsed`."""
    hold = lock(hold_id)
    if hold.status == Hold.Status.CONVERTED:
        raise already_used(hold)
    if hold.status == Hold.Status.ACTIVE:
        now = clock.now()
        is_overdue = hold.status_at(now) == Hold.Status.EXPIRED
        _mark([hold.pk], status=Hold.Status.EXPIRED if is_overdue else Hold.Status.RELEASED, now=now)
        inventory.release(hold.product_id, units=hold.quantity)
        _note_end("holds_expired" if is_overdue else "hold_released", hold)


@retrying_transaction_once
def revoke(hold_id: UUID) -> Hold:
    """Take an active hold back from its buyer, for staff; returns it as it then stands.

    Raises `NotFound`, `HoldAlreadyUsed`, `HoldReleased`, and `HoldExpired` when its time was over.
    """
    hold = lock(hold_id)
    now = clock.now()
    _refuse_ended(hold, now=now)
    _mark([hold.pk], status=Hold.Status.RELEASED, now=now)
    inventory.release(hold.product_id, units=hold.quantity)
    _note_end("hold_released", hold)
    return get(hold_id)


@retrying_transaction
def expire_due(*, limit: int = EXPIRY_BATCH_ROWS) -> int:
    """Expire at most `limit` overdue holds, oldest first, skipping those that somebody else has locked.

    Returns how many were expired.
    """
    now = clock.now()
    due = Hold.objects.overdue(now).select_for_update(no_key=True, of=("self",), skip_locked=True)
    return _expire(due.order_by("expires_at")[:limit], now=now)


@retrying_transaction
def reclaim(product_id: int) -> int:
    """Expire one product's overdue holds, waiting for those that somebody else is tidying up.

    Returns how many were expired: at most `overdue.BATCH_ROWS`.
    """
    now = clock.now()
    due = Hold.objects.overdue(now).filter(product_id=product_id).select_for_update(no_key=True, of=("self",))
    return _expire(due.order_by("pk")[: overdue.BATCH_ROWS], now=now)


def lock(hold_id: UUID) -> Hold:
    """Lock and return a hold until the transaction ends; raises `NotFound`."""
    hold = Hold.objects.select_for_update(no_key=True, of=("self",)).filter(pk=hold_id).first()
    if hold is None:
        raise NotFound(NO_SUCH_HOLD)
    return hold


def lock_all(hold_ids: Iterable[UUID]) -> dict[UUID, Hold]:
    """Lock and return those of these holds that exist, in ascending id, until the transaction ends."""
    rows = Hold.objects.select_for_update(no_key=True, of=("self",)).filter(pk__in=list(hold_ids))
    return {hold.pk: hold for hold in rows.order_by("pk")}


def refusal_to_convert(hold: Hold | None, *, now: datetime) -> Refusal | None:
    """Return why a locked hold cannot become an order at `now`; None when it can."""
    try:
        if hold is None:
            raise NotFound(NO_SUCH_HOLD)
        _refuse_ended(hold, now=now)
    except Refusal as refusal:
        return refusal.as_value()
    return None


def convert(ordered: Sequence[Hold], *, now: datetime) -> None:
    """Mark holds, locked by this transaction and active at `now`, as ordered. Their units stay reserved."""
    _mark([hold.pk for hold in ordered], status=Hold.Status.CONVERTED, now=now)


def _refuse_ended(hold: Hold, *, now: datetime) -> None:
    """Raise the refusal that says how a locked hold ended, if it is not active at `now`."""
    status = hold.status_at(now)
    if status == Hold.Status.CONVERTED:
        raise already_used(hold)
    if status == Hold.Status.RELEASED:
        raise HoldReleased
    if status == Hold.Status.EXPIRED:
        raise HoldExpired


def already_used(hold: Hold) -> HoldAlreadyUsed:
    """Return the refusal that names the order made of a converted hold."""
    return HoldAlreadyUsed(order_id=hold.order.pk)


@retrying_transaction
def _grant(
    product_id: int, requests: Sequence[HoldRequest], admit: Admit[HoldRequest], *, may_reclaim: bool
) -> list[Hold | Refusal]:
    known = idempotency.lock_and_find(Hold.objects.as_of_now(), [request.once for request in requests])
    is_new = [request.once is None or request.once.name not in known for request in requests]
    new = list(itertools.compress(requests, is_new))
    # In another attempt there may be latecomers of the first, even if every other request is known by now.
    is_needed = new or admit()
    granted = iter(_grant_new(product_id, new, admit, may_reclaim=may_reclaim) if is_needed else [])
    of_requests = [
        next(granted) if fresh else idempotency.replay_or_refusal(known, request.once)
        for request, fresh in zip(requests, is_new, strict=True)
    ]
    return [*of_requests, *granted]


def _grant_new(
    product_id: int, requests: Sequence[HoldRequest], admit: Admit[HoldRequest], *, may_reclaim: bool
) -> list[Hold | Refusal]:
    try:
        stock, product = inventory.lock_for_claims(product_id)
    except (Stock.DoesNotExist, Product.DoesNotExist):
        return [NotFound("There is no such product.") for _ in [*requests, *admit()]]

    requests = [*requests, *admit()]
    results = decide(product, requests, free=stock.free, now=product.locked_at)
    if may_reclaim and any(isinstance(result, LimitExceeded) and result.is_by_overdue for result in results):
        raise overdue.ReclaimFirst(product_id)
    if any(isinstance(result, InsufficientStock) for result in results):
        reclaimable = overdue.count(product_id, at=product.locked_at)
        if reclaimable and may_reclaim:
            raise overdue.ReclaimFirst(product_id)
        results = [with_overdue(result, reclaimable) for result in results]

    granted = [result for result in results if isinstance(result, Hold)]
    if granted:
        inventory.reserve(stock, units=sum(hold.quantity for hold in granted), along=_insertion_of(granted))
        for hold in granted:
            hold._state.adding = False
    return results


def _insertion_of(granted: list[Hold]) -> inventory.Statement:
    """Return what inserts the holds of one batch, all for one product at one price."""
    first = granted[0]
    shared = [first.product_id, first.unit_price, first.currency, Hold.Status.ACTIVE.value, first.created_at]
    each = [
        [getattr(hold, name) for hold in granted]
        for name in ("pk", "quantity", "customer_id", "expires_at", "client", "idempotency_key", "body_hash")
    ]
    return _INSERT, [*shared, *each]


def _expire(locked: QuerySet[Hold], *, now: datetime) -> int:
    """Expire the active holds that this queryset locks, in one statement, and give their units back."""
    due, params = locked.values("pk").query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(_END.format(due=due), [*params, Hold.Status.EXPIRED, now])
        ended = cursor.fetchall()
    inventory.release_all((product_id, units) for product_id, _, units in ended)
    for product_id, count, units in ended:
        events.record_on_commit("holds_expired", count=count, product_id=product_id, units=units)
    return sum(count for _, count, _ in ended)


def _note_end(event: str, hold: Hold) -> None:
    events.record_on_commit(event, hold_id=hold.pk, product_id=hold.product_id, units=hold.quantity)


def _mark(hold_ids: list[UUID], *, status: Hold.Status, now: datetime) -> None:
    """Let locked active holds leave `active`; a row that is not active any more undoes the transaction."""
    marked = Hold.objects.filter(pk__in=hold_ids, status=Hold.Status.ACTIVE).update(status=status, ended_at=now)
    if marked != len(hold_ids):
        raise StaleHoldError(f"{len(hold_ids) - marked} of {len(hold_ids)} holds had already left `active`")

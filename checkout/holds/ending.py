"""Holds end: released, revoked, expired, or converted by an order. The only writer of `status` and `ended_at`."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet

from catalog import inventory
from checkout import expiry
from checkout.holds import locking
from checkout.holds.refusals import HoldAlreadyUsed, StaleHoldError, refusal_to_convert
from checkout.models import Hold
from flashsale.core import clock, events
from flashsale.core.statements import array
from flashsale.core.submissions.once import retrying_transaction_once
from flashsale.core.transactions import retrying_transaction

# The status is compared as an expression, which no partial index fits: while the statistics are older than the sale,
# the planner expects few active holds, and would read all of them in an index instead of these by their ids.
_END = """
UPDATE checkout_hold SET status = %s, ended_at = %s WHERE id = ANY(%s::uuid[]) AND status || '' = 'active'
"""
_EXPIRE = """
WITH due AS ({due}), ended AS (
    UPDATE checkout_hold AS hold SET status = %s, ended_at = %s FROM due
    WHERE hold.id = due.pk AND hold.status = 'active'
    RETURNING hold.product_id, hold.quantity
)
SELECT product_id, count(*), sum(quantity)::integer FROM ended GROUP BY product_id
"""


@retrying_transaction
def release(hold_id: UUID) -> None:
    """Release a hold; one that ended without an order stays as it is. Raises `NotFound`, `HoldAlreadyUsed`."""
    hold = locking.lock(hold_id)
    now = clock.now()
    refusal = refusal_to_convert(hold, now=now)
    if isinstance(refusal, HoldAlreadyUsed):
        raise refusal
    if hold.status == Hold.Status.ACTIVE:
        is_overdue = refusal is not None
        _end([hold.pk], status=Hold.Status.EXPIRED if is_overdue else Hold.Status.RELEASED, now=now)
        inventory.release(hold.product_id, units=hold.quantity)
        _record_end("holds_expired" if is_overdue else "hold_released", hold)


@retrying_transaction_once
def revoke(hold_id: UUID) -> Hold:
    """Release an active hold for staff; returns the updated hold.

    Raises `NotFound`, `HoldAlreadyUsed`, `HoldReleased`, and `HoldExpired` when it is overdue.
    """
    hold = locking.lock(hold_id)
    now = clock.now()
    refusal = refusal_to_convert(hold, now=now)
    if refusal is not None:
        raise refusal
    _end([hold.pk], status=Hold.Status.RELEASED, now=now)
    inventory.release(hold.product_id, units=hold.quantity)
    _record_end("hold_released", hold)
    return Hold.objects.get(pk=hold_id)


@retrying_transaction
def expire_due(*, limit: int = expiry.EXPIRY_BATCH_ROWS) -> int:
    """Expire at most `limit` overdue holds, oldest first, skipping locked ones; return how many were expired."""
    now = clock.now()
    return _expire(expiry.lock_oldest(Hold.objects.overdue(now), deadline="expires_at", limit=limit), now=now)


@retrying_transaction
def reclaim(product_id: int) -> int:
    """Expire one product's overdue holds, waiting for locked ones; return how many: at most `overdue.BATCH_ROWS`."""
    now = clock.now()
    return _expire(expiry.lock_product(Hold.objects.overdue(now), product_id), now=now)


def convert(holds: Sequence[Hold], *, now: datetime) -> None:
    """Mark holds, locked by this transaction and active at `now`, as ordered. Their units stay reserved."""
    _end([hold.pk for hold in holds], status=Hold.Status.CONVERTED, now=now)


def _expire(locking_query: QuerySet[Hold], *, now: datetime) -> int:
    """Expire the active holds that this query locks, in one statement, and release their units."""
    due, params = locking_query.values("pk").query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(_EXPIRE.format(due=due), [*params, Hold.Status.EXPIRED, now])
        ended = cursor.fetchall()
    for product_id, count, units in ended:
        inventory.release(product_id, units=units)
        events.record_on_commit("holds_expired", count=count, product_id=product_id, units=units)
    return sum(count for _, count, _ in ended)


def _end(hold_ids: list[UUID], *, status: Hold.Status, now: datetime) -> None:
    """End locked active holds. Raises `StaleHoldError`, which rolls the transaction back, when one is not active."""
    with connection.cursor() as cursor:
        cursor.execute(_END, [status.value, now, array(hold_ids)])
        ended = cursor.rowcount
    if ended != len(hold_ids):
        raise StaleHoldError(f"{len(hold_ids) - ended} of {len(hold_ids)} holds had already left `active`")


def _record_end(event: str, hold: Hold) -> None:
    events.record_on_commit(event, hold_id=hold.pk, product_id=hold.product_id, units=hold.quantity)

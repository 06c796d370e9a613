"""Refusals that cost no transaction: while units are short, most buyers hear it from the snapshot.

A snapshot never grants. It is as new as the last commit, and after a lost write at most a second old, so that it may
refuse wrongly for a second. Whatever a refusal could be but "too few units" is left to the database.
"""

import time

from catalog import snapshot_refresh, snapshots
from catalog.inventory import InsufficientStock
from catalog.snapshots import STOCK_DRIVEN_STATUSES
from checkout import idempotency
from checkout.idempotency import IdempotencyKey

# While a product sells, nobody looks: a process asks for the snapshot only this long after units were short.
REMEMBERED_SECONDS = 2.0
REFRESH_SECONDS = 0.1
MOST_REMEMBERED = 1_000

_short_until: dict[int, float] = {}
_refreshed_at: dict[int, float] = {}


def check(*, product_id: int, quantity: int, once: IdempotencyKey | None) -> None:
    """Raise `InsufficientStock` when the snapshot says so; a request with a key only when the key made nothing before.

    The snapshot is read first and the key looked up after it: units that its first request took are gone in the one and
    found by the other, or the other way round, never neither.
    """
    if _short_until.get(product_id, 0) < time.monotonic():
        return
    known = snapshots.read(product_id)
    if known is None or known["sale_status"] not in STOCK_DRIVEN_STATUSES or known["max_per_customer"] is not None:
        return
    if quantity > known["max_per_hold"] or quantity <= known["available_stock"]:
        return
    if once is not None and idempotency.is_known(once):
        return
    _remember(_short_until, product_id, time.monotonic() + REMEMBERED_SECONDS)
    raise InsufficientStock(available=known["available_stock"])


def record_shortage(product_id: int) -> None:
    """Note that the database refused a claim, and keep a snapshot for the next ones; outside any transaction."""
    now = time.monotonic()
    _remember(_short_until, product_id, now + REMEMBERED_SECONDS)
    if _refreshed_at.get(product_id, 0) + REFRESH_SECONDS < now:
        _remember(_refreshed_at, product_id, now)
        snapshot_refresh.refresh_product(product_id)


def _remember(times: dict[int, float], product_id: int, moment: float) -> None:
    if len(times) >= MOST_REMEMBERED and product_id not in times:
        times.clear()
    times[product_id] = moment

"""Refusals without a transaction: claims for more units than its snapshot shows are refused from the snapshot.

The snapshot never grants a claim. It is as of the last commit, and after a lost write up to a second old, so that a
refusal may be wrong for a second. Every other refusal than "too few units" is decided in the database.
"""

import threading
import time

from catalog import snapshot_refresh, snapshots
from catalog.inventory import InsufficientStock
from catalog.snapshots import STOCK_DRIVEN_STATUSES, Snapshot
from checkout import idempotency
from checkout.idempotency import IdempotencyKey
from flashsale.core.refusals import NotFound

# For how long after a shortage a claim without a copy of the snapshot in this process asks Valkey, or PostgreSQL, for
# one. While units are left, that costs more than it saves.
REMEMBERED_SECONDS = 2.0
REFRESH_SECONDS = 0.1
MAX_REMEMBERED = 1_000


class Shortages:
    """The products that were short of units lately, as seen by this process; times are monotonic, in seconds."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._short_until: dict[int, float] = {}
        self._refreshed_at: dict[int, float] = {}

    def is_short(self, product_id: int) -> bool:
        """Say whether a claim was refused in the last `REMEMBERED_SECONDS`."""
        with self._mutex:
            return self._short_until.get(product_id, 0) >= time.monotonic()

    def remember(self, product_id: int) -> None:
        """Remember the product for `REMEMBERED_SECONDS`."""
        with self._mutex:
            _set(self._short_until, product_id, time.monotonic() + REMEMBERED_SECONDS)

    def begin_refresh(self, product_id: int) -> bool:
        """Say whether the caller should refresh the snapshot: true at most once in `REFRESH_SECONDS`."""
        now = time.monotonic()
        with self._mutex:
            if self._refreshed_at.get(product_id, 0) + REFRESH_SECONDS >= now:
                return False
            _set(self._refreshed_at, product_id, now)
            return True

    def clear(self) -> None:
        """Forget all products."""
        with self._mutex:
            self._short_until.clear()
            self._refreshed_at.clear()


shortages = Shortages()


def check(*, product_id: int, quantity: int, key: IdempotencyKey | None) -> None:
    """Raise `InsufficientStock` when the snapshot says so, unless an equal request got a hold with the same key.

    The snapshot is read before the key is looked up, so that the key of an equal request which commits in between is
    found.
    """
    snapshot = snapshots.get_copy(product_id) or _read_while_short(product_id)
    if snapshot is None:
        return
    answer = snapshot.members
    if answer["sale_status"] not in STOCK_DRIVEN_STATUSES or answer["max_per_customer"] is not None:
        return
    if quantity > answer["max_per_hold"] or quantity <= answer["available_stock"]:
        return
    if key is not None and idempotency.is_used(key):
        return
    shortages.remember(product_id)
    raise InsufficientStock(available=answer["available_stock"])


def record_shortage(product_id: int) -> None:
    """Remember that the database refused a claim, and refresh the snapshot for the next ones; outside a transaction."""
    shortages.remember(product_id)
    if shortages.begin_refresh(product_id):
        snapshot_refresh.refresh_product(product_id)


def _read_while_short(product_id: int) -> Snapshot | None:
    """Return the snapshot from outside this process; None while units are left or without such a product."""
    if not shortages.is_short(product_id):
        return None
    try:
        return snapshot_refresh.read_product(product_id)
    except NotFound:
        return None


def _set(times: dict[int, float], product_id: int, moment: float) -> None:
    if len(times) >= MAX_REMEMBERED and product_id not in times:
        times.clear()
    times[product_id] = moment

"""What the rest of the program does with snapshots: look one up, store one, and follow the commits."""

import time
from dataclasses import dataclass

from django.db import connection, transaction

from catalog.models import Stock
from catalog.snapshots import stored
from catalog.snapshots.answers import Snapshot
from catalog.snapshots.local import copies
from catalog.snapshots.pushes import subscription
from flashsale.core import greenlets, metrics

_HITS = metrics.SNAPSHOT_READS.labels("hit")
_MISSES = metrics.SNAPSHOT_READS.labels("miss")
_LOCAL_HITS = metrics.SNAPSHOT_READS.labels("local")


def get_copy(product_id: int) -> Snapshot | None:
    """Return this process's copy of a product's answer; None when Valkey, or PostgreSQL, has to be asked.

    Takes a few microseconds and never waits. Outside a transaction only: what that wrote is not in the copy.
    """
    snapshot = copies.get(product_id)
    if snapshot is not None:
        _LOCAL_HITS.inc()
    return snapshot


def look_up(product_id: int, *, readers: int = 1) -> Snapshot | None:
    """Return the answer that Valkey has, for `readers` requests; None when PostgreSQL has to be asked.

    It is kept as this process's copy. Inside a transaction the answer is always None, because what the transaction
    wrote is not in it.
    """
    if _is_in_transaction():
        return None
    subscription.keep_alive()
    asked_at = time.monotonic()
    snapshot = stored.read(product_id)
    # A Valkey that was restarted, or lost a write, may have an older answer than this process has seen.
    if snapshot is not None and not copies.accept(product_id, snapshot, asked_at=asked_at):
        snapshot = None
    (_MISSES if snapshot is None else _HITS).inc(readers)
    return snapshot


@dataclass(frozen=True)
class ReadStart:
    """When a read from PostgreSQL began: not before `at` (monotonic seconds), which was not before `at_ms` (Redis)."""

    at_ms: int | None
    at: float


def start_read() -> ReadStart:
    """Take the time before a read from PostgreSQL whose answer is to be stored."""
    at_ms = None if _is_in_transaction() else stored.clock_ms()
    return ReadStart(at_ms, time.monotonic())


def store(product_id: int, snapshot: Snapshot, *, started: ReadStart) -> bool:
    """Store an answer that was read from PostgreSQL after `started`.

    Does nothing inside a transaction, when the answer changes before its time ends, or when that has ended. Returns
    False when Redis did not answer.
    """
    if _is_in_transaction() or snapshot.has_expired:
        return True
    subscription.keep_alive()
    copies.accept(product_id, snapshot, asked_at=started.at)
    return started.at_ms is not None and stored.store(product_id, snapshot, read_at_ms=started.at_ms)


def write_through(stock: Stock) -> None:
    """Write these counters to the snapshots when the present transaction commits, to this process's copy first."""
    transaction.on_commit(lambda: _write_through(stock), robust=True)


def invalidate(product_id: int) -> None:
    """Delete the snapshots when the present transaction commits: columns of the product itself changed."""
    transaction.on_commit(lambda: _delete(product_id), robust=True)


def _is_in_transaction() -> bool:
    # The event loop's thread has no connection.
    return greenlets.current() is None and connection.in_atomic_block


def _write_through(stock: Stock) -> None:
    copies.write_through(stock.pk, version=stock.version, total=stock.total, free=stock.free)
    stored.write_through(stock)


def _delete(product_id: int) -> None:
    copies.invalidate(product_id)
    stored.delete(product_id)

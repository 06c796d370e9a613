"""A snapshot of each product's answer in Valkey/Redis: never the truth, as new as the last commit, gone after a second.

Whoever reads a product from PostgreSQL keeps the answer here; every commit that changes its counters writes them
through. Of two writers that race, the one with the newer version of the stock stays. Where Redis does not answer,
PostgreSQL does. A write that is lost lets an old answer live for the rest of its second, no longer: its life counts
from the moment PostgreSQL was read.
"""

import json
import time
from typing import Any

from django.db import connection, transaction

from catalog.models import LOOKAHEAD, Product, Stock
from catalog.sales import SaleStatus
from flashsale.core import metrics, redis_client
from flashsale.core.batching import Admit, Batcher

MAX_AGE_MS = int(LOOKAHEAD.total_seconds() * 1000)
STOCK_DRIVEN_STATUSES = frozenset({SaleStatus.LIVE, SaleStatus.SOLD_OUT})

# KEYS: the answer, and the newest version that is known, which outlives it; an answer read before is not kept.
# ARGV: version, its life, the answer's life (milliseconds), answer, total and free units, whether it follows commits.
_KEEP = """
if tonumber(ARGV[1]) < tonumber(redis.call('GET', KEYS[2]) or '-1') then return 0 end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
redis.call('HSET', KEYS[1], 'answer', ARGV[4], 'total', ARGV[5], 'free', ARGV[6], 'follows', ARGV[7])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
"""
# KEYS: the same. ARGV: version, its life, total and free units. An answer that counts overdue units cannot follow.
_WRITE_THROUGH = """
if tonumber(ARGV[1]) <= tonumber(redis.call('GET', KEYS[2]) or '-1') then return 0 end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
if redis.call('HGET', KEYS[1], 'follows') == '1' then
    redis.call('HSET', KEYS[1], 'total', ARGV[3], 'free', ARGV[4])
else
    redis.call('DEL', KEYS[1])
end
return 1
"""


class StoreSilent(Exception):
    """Redis did not answer."""

    def __init__(self) -> None:
        super().__init__("Redis did not answer: the product answers kept there were not refreshed.")


class _Store:
    """The Redis connections of this process."""

    def __init__(self) -> None:
        self._redis = redis_client.client()
        self._store_script = self._redis.register_script(_KEEP)
        self._write_through_script = self._redis.register_script(_WRITE_THROUGH)
        self._breaker = redis_client.CircuitBreaker(fallback="PostgreSQL answers for products")

    def is_reachable(self) -> bool:
        return self._breaker.call(self._redis.ping) is not None

    def read(self, product_id: int) -> list[str | None] | None:
        return self._breaker.call(lambda: self._redis.hmget(_keys(product_id)[0], "answer", "total", "free", "follows"))

    def store(self, product_id: int, version: int, life_ms: int, *kept: str | int) -> bool:
        arguments = [version, MAX_AGE_MS, life_ms, *kept]
        return self._breaker.call(lambda: self._store_script(keys=_keys(product_id), args=arguments)) is not None

    def write_through(self, stock: Stock) -> None:
        arguments = [stock.version, MAX_AGE_MS, stock.total, stock.free]
        self._breaker.call(lambda: self._write_through_script(keys=_keys(stock.pk), args=arguments))

    def invalidate(self, product_id: int) -> None:
        self._breaker.call(lambda: self._redis.delete(_keys(product_id)[0]))


_store = _Store()


def is_reachable() -> bool:
    """Say whether Redis answers."""
    return _store.is_reachable()


def read(product_id: int) -> dict[str, Any] | None:
    """Return the answer for a product as of the last commit, or None: then PostgreSQL has to be asked.

    Those who ask at the same moment share it, so nobody may change it. Inside a transaction it is always None, because
    what the transaction wrote is not here yet.
    """
    return None if connection.in_atomic_block else snapshot_single_flight.submit(product_id, None) or None


def read_alone(product_id: int) -> dict[str, Any] | None:
    """Do what `read` does, for a caller who asks for many and may change the answer."""
    if connection.in_atomic_block:
        return None
    members = _members(_store.read(product_id))
    metrics.SNAPSHOT_READS.labels("hit" if members else "miss").inc()
    return members or None


def store(product: Product, answer: dict[str, Any], *, read_since: float) -> bool:
    """Keep the answer made of a product that was read after `read_since` (monotonic, in seconds).

    The product carries its availability and outlook (see `ProductQuerySet`). It is not kept when the clock alone, a
    deadline or the sale's window, changes it before it would be too old. Returns False when Redis did not answer.
    """
    if connection.in_atomic_block or _changes_soon(product):
        return True
    life_ms = MAX_AGE_MS - int((time.monotonic() - read_since) * 1000)
    if life_ms <= 0:
        return True
    tracks_stock = int(product.available_stock == product.free_stock)
    units = product.total_stock, product.free_stock
    return _store.store(product.pk, product.stock_version, life_ms, json.dumps(answer), *units, tracks_stock)


def write_through(stock: Stock) -> None:
    """Let the answer have these counters when the present transaction commits."""
    transaction.on_commit(lambda: _store.write_through(stock), robust=True)


def invalidate(product_id: int) -> None:
    """Forget the answer when the present transaction commits: something else about the product changed."""
    transaction.on_commit(lambda: _store.invalidate(product_id), robust=True)


def _read(product_id: int, requests: list[None], admit: Admit[None]) -> list[dict[str, Any] | Exception]:
    members = _members(_store.read(product_id))
    metrics.SNAPSHOT_READS.labels("hit" if members else "miss").inc(len(requests))
    return [members] * len(requests)


snapshot_single_flight: Batcher[int, None, dict[str, Any]] = Batcher(_read)


def _members(kept: list[str | None] | None) -> dict[str, Any]:
    """Return the answer's members, none when nothing that can be read is kept."""
    if kept is None or None in kept:
        return {}
    answer, total, free, tracks_stock = kept
    try:
        members = json.loads(answer)
        return _with_units(members, total=int(total), available=int(free)) if tracks_stock == "1" else members
    except ValueError:
        return {}


def _with_units(members: dict[str, Any], *, total: int, available: int) -> dict[str, Any]:
    members |= {"total_stock": total, "available_stock": available, "is_sold_out": available <= 0}
    if members["sale_status"] in STOCK_DRIVEN_STATUSES:
        members["sale_status"] = SaleStatus.SOLD_OUT if available <= 0 else SaleStatus.LIVE
    return members


def _changes_soon(product: Product) -> bool:
    soon = product.read_at + LOOKAHEAD
    boundaries = (product.sale_starts_at, product.sale_ends_at)
    return product.expiring_units > 0 or any(moment and product.read_at < moment <= soon for moment in boundaries)


def _keys(product_id: int) -> list[str]:
    # Braces: both on one node of a cluster.
    return [f"flashsale:product:{{{product_id}}}", f"flashsale:product:{{{product_id}}}:version"]

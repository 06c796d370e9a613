"""Write-through cache of each product's JSON in Valkey/Redis, TTL one second from the database read.

PostgreSQL is authoritative: whatever is missing or unreadable here is read from there, and without Redis everything is.
`snapshot_refresh` reads a product from PostgreSQL and stores its answer here; every commit that changes its counters
writes them through. Each answer carries the version of its stock row: of two concurrent writes, the newer version wins.
When a write to Redis is lost, the answer is out of date until its TTL ends.
"""

import json
import time
from collections.abc import Sequence
from typing import Any, cast

from django.db import connection, transaction

from catalog.availability import LOOKAHEAD, ProductForecast
from catalog.models import Stock
from catalog.sales import SaleStatus
from flashsale.core import metrics, redis_client
from flashsale.core.batching import Admit, Batcher

MAX_AGE_MS = int(LOOKAHEAD.total_seconds() * 1000)
# The statuses that depend on the available units alone.
STOCK_DRIVEN_STATUSES = frozenset({SaleStatus.LIVE, SaleStatus.SOLD_OUT})

# KEYS: the answer, and the newest version seen, which outlives it: an answer of an older version is not stored.
# ARGV: version, its TTL, the answer's TTL (milliseconds), answer, total and free units, and 1 when commits may write
# these two through. An answer that counts overdue units as available has 0: the next commit deletes it.
_STORE = """
if tonumber(ARGV[1]) < tonumber(redis.call('GET', KEYS[2]) or '-1') then return 0 end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
redis.call('HSET', KEYS[1], 'answer', ARGV[4], 'total', ARGV[5], 'free', ARGV[6], 'tracks_stock', ARGV[7])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
"""
# KEYS: the same. ARGV: version, its TTL, total and free units.
_WRITE_THROUGH = """
if tonumber(ARGV[1]) <= tonumber(redis.call('GET', KEYS[2]) or '-1') then return 0 end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
if redis.call('HGET', KEYS[1], 'tracks_stock') == '1' then
    redis.call('HSET', KEYS[1], 'total', ARGV[3], 'free', ARGV[4])
else
    redis.call('DEL', KEYS[1])
end
return 1
"""


class RedisUnavailable(Exception):
    """Redis did not answer."""

    def __init__(self) -> None:
        super().__init__("Redis did not answer: the cached product answers were not refreshed.")


_breaker = redis_client.CircuitBreaker(fallback="PostgreSQL answers for products")


def is_reachable() -> bool:
    """Say whether Redis answers."""
    return _breaker.call(redis_client.client().ping) is not None


def read(product_id: int) -> dict[str, Any] | None:
    """Return the answer for a product as of the last commit; None when PostgreSQL has to be queried.

    Concurrent callers share one look-up and its result: do not change it. Inside a transaction the answer is always
    None, because what the transaction wrote is not in it.
    """
    return None if connection.in_atomic_block else snapshot_single_flight.submit(product_id, None) or None


def read_alone(product_id: int) -> dict[str, Any] | None:
    """Do what `read` does with a look-up and a result of its own, for callers that share the result themselves."""
    if connection.in_atomic_block:
        return None
    return _look_up(product_id, readers=1) or None


def store(forecast: ProductForecast, answer: dict[str, Any], *, read_started: float) -> bool:
    """Store the answer rendered from a forecast; its query began at `read_started` (monotonic, in seconds).

    Does nothing inside a transaction, when the answer changes before its TTL ends, or when that has ended. Returns
    False when Redis did not answer.
    """
    ttl_ms = MAX_AGE_MS - int((time.monotonic() - read_started) * 1000)
    if connection.in_atomic_block or forecast.changes_soon or ttl_ms <= 0:
        return True
    stock = forecast.view.stock
    is_written_through = int(forecast.view.overdue_units == 0)
    entry: list[int | str] = [stock.version, MAX_AGE_MS, ttl_ms, json.dumps(answer), stock.total, stock.free]
    entry.append(is_written_through)
    return _breaker.call(lambda: _run(_STORE, stock.pk, entry)) is not None


def write_through(stock: Stock) -> None:
    """Write these counters to the stored answer when the present transaction commits."""
    entry = [stock.version, MAX_AGE_MS, stock.total, stock.free]
    transaction.on_commit(lambda: _write_through(stock.pk, entry), robust=True)


def invalidate(product_id: int) -> None:
    """Delete the stored answer when the present transaction commits: columns of the product itself changed."""
    transaction.on_commit(lambda: _delete(product_id), robust=True)


def _read_shared(product_id: int, requests: list[None], admit: Admit[None]) -> list[dict[str, Any] | Exception]:
    readers = len(requests)
    return [_look_up(product_id, readers=readers)] * readers


snapshot_single_flight: Batcher[int, None, dict[str, Any]] = Batcher(_read_shared)


def _look_up(product_id: int, *, readers: int) -> dict[str, Any]:
    """Return the members of the stored answer, none where nothing readable is stored; count its readers."""
    key = _keys(product_id)[0]
    stored = _breaker.call(lambda: redis_client.client().hmget(key, ["answer", "total", "free", "tracks_stock"]))
    # The client decodes what it reads to `str`.
    members = _members(cast("list[str | None]", stored or []))
    metrics.SNAPSHOT_READS.labels("hit" if members else "miss").inc(readers)
    return members


def _members(stored: list[str | None]) -> dict[str, Any]:
    """Return the members of an answer with the counters written through, none where nothing readable is stored."""
    texts = [text for text in stored if text is not None]
    if len(texts) != 4:
        return {}
    answer, total, free, is_written_through = texts
    try:
        members: dict[str, Any] = json.loads(answer)
        return _with_units(members, total=int(total), available=int(free)) if is_written_through == "1" else members
    except ValueError:
        return {}


def _with_units(members: dict[str, Any], *, total: int, available: int) -> dict[str, Any]:
    members |= {"total_stock": total, "available_stock": available, "is_sold_out": available <= 0}
    if members["sale_status"] in STOCK_DRIVEN_STATUSES:
        members["sale_status"] = SaleStatus.SOLD_OUT if available <= 0 else SaleStatus.LIVE
    return members


def _write_through(product_id: int, entry: list[int]) -> None:
    _breaker.call(lambda: _run(_WRITE_THROUGH, product_id, entry))


def _delete(product_id: int) -> None:
    _breaker.call(lambda: redis_client.client().delete(_keys(product_id)[0]))


def _run(script: str, product_id: int, arguments: Sequence[int | str]) -> Any:
    return redis_client.client().register_script(script)(keys=_keys(product_id), args=arguments)


def _keys(product_id: int) -> list[str]:
    # The braces are a hash tag: Redis Cluster keeps both keys on one node.
    return [f"flashsale:product:{{{product_id}}}", f"flashsale:product:{{{product_id}}}:version"]

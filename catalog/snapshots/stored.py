"""The answers in Valkey/Redis: a write-through cache, TTL one second from the database read, that pushes its changes.

Each write compares versions of the stock row: of two concurrent ones the newer version wins. It is one script, which
also publishes the change to the processes that keep copies (`pushes`). When a write is lost, the answer is out of date
until its TTL ends.
"""

import contextlib
import functools
import json
import time
from collections.abc import Iterator, Sequence
from typing import Any, cast

import redis
from django.conf import settings
from redis.commands.core import Script

from catalog.models import Stock
from catalog.snapshots import answers
from catalog.snapshots.answers import Snapshot, with_units
from flashsale.core import redis_client

# KEYS of all scripts: the answer; the newest version seen, which outlives it, so that an answer of an older version is
# not stored; and when the product's columns changed last (milliseconds by Redis's clock, as all times here).
# A channel's permission may be missing (ACL): then the write counts, and processes keep no copies. Hence `pcall`.

# ARGV: version, its TTL, when the read from PostgreSQL began, when the answer ends, answer, total and free units, 1
# when commits may write these two through, channel, product. An answer that counts overdue units as available has 0:
# the next commit deletes it.
_STORE = """
local newest = redis.call('GET', KEYS[2])
if tonumber(ARGV[1]) < tonumber(newest or '-1') then return 0 end
if tonumber(ARGV[3]) <= tonumber(redis.call('GET', KEYS[3]) or '-1') then return 0 end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
redis.call('HSET', KEYS[1], 'answer', ARGV[5], 'total', ARGV[6], 'free', ARGV[7], 'tracks_stock', ARGV[8])
redis.call('PEXPIREAT', KEYS[1], ARGV[4])
if newest and tonumber(ARGV[1]) > tonumber(newest) then
    redis.pcall('PUBLISH', ARGV[9], table.concat({ARGV[10], ARGV[1], ARGV[6], ARGV[7]}, ' '))
end
return 1
"""
# ARGV: version, its TTL, total and free units, channel, product.
_WRITE_THROUGH = """
if tonumber(ARGV[1]) <= tonumber(redis.call('GET', KEYS[2]) or '-1') then return 0 end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
if redis.call('HGET', KEYS[1], 'tracks_stock') == '1' then
    redis.call('HSET', KEYS[1], 'total', ARGV[3], 'free', ARGV[4])
else
    redis.call('DEL', KEYS[1])
end
redis.pcall('PUBLISH', ARGV[5], table.concat({ARGV[6], ARGV[1], ARGV[3], ARGV[4]}, ' '))
return 1
"""
# ARGV: for how long the time of the change is remembered, channel, product. An answer that was read before the change
# may still be on its way.
_DELETE = """
local now = redis.call('TIME')
redis.call('SET', KEYS[3], now[1] * 1000 + math.floor(now[2] / 1000), 'PX', ARGV[1])
redis.call('DEL', KEYS[1])
redis.pcall('PUBLISH', ARGV[2], ARGV[3])
return 1
"""
# In one step: the TTL has to be that of the answer that is returned.
_READ = """
local answer = redis.call('HMGET', KEYS[1], 'answer', 'total', 'free', 'tracks_stock')
answer[5] = redis.call('GET', KEYS[2])
answer[6] = redis.call('PTTL', KEYS[1])
return answer
"""


# An answer that was read before a change is refused for so long; it has ended long before.
CHANGE_KNOWN_MS = 60_000


class RedisUnavailable(Exception):
    """Redis did not answer."""

    def __init__(self) -> None:
        super().__init__("Redis did not answer: the cached product answers were not refreshed.")


_breaker = redis_client.CircuitBreaker(fallback="PostgreSQL answers for products")


def is_reachable() -> bool:
    """Say whether Redis answers."""
    return _breaker.call(redis_client.client().ping) is not None


def read(product_id: int) -> Snapshot | None:
    """Return the stored answer; None when nothing readable is stored or Redis does not answer."""
    asked_at = time.monotonic()
    found = _breaker.call(lambda: _run(_READ, product_id, []))
    return _snapshot_of(found, asked_at=asked_at) if found else None


def clock_ms() -> int | None:
    """Return the time by Redis's clock, in milliseconds; None when Redis does not answer."""
    found = _breaker.call(redis_client.client().time)
    return found[0] * 1000 + found[1] // 1000 if found else None


def store(product_id: int, snapshot: Snapshot, *, read_at_ms: int) -> bool:
    """Store an answer whose read from PostgreSQL began after `read_at_ms` (`clock_ms`). Returns False without Redis.

    By Redis's clock it ends `MAX_AGE_MS` later, so that an answer which is delayed on its way is not kept for longer.
    """
    members, max_age_ms = snapshot.members, answers.MAX_AGE_MS
    entry: list[int | str] = [snapshot.version, max_age_ms, read_at_ms, read_at_ms + max_age_ms, json.dumps(members)]
    entry += [members["total_stock"], members["available_stock"], int(snapshot.tracks_stock), _channel(), product_id]
    return _breaker.call(lambda: _run(_STORE, product_id, entry)) is not None


def write_through(stock: Stock) -> None:
    """Write a commit's counters to the stored answer and push them."""
    entry = [stock.version, answers.MAX_AGE_MS, stock.total, stock.free, _channel(), stock.pk]
    _breaker.call(lambda: _run(_WRITE_THROUGH, stock.pk, entry))


def delete(product_id: int) -> None:
    """Delete the stored answer and push that."""
    _breaker.call(lambda: _run(_DELETE, product_id, [CHANGE_KNOWN_MS, _channel(), product_id]))


@contextlib.contextmanager
def subscribed() -> Iterator[Any]:
    """Give a connection (of redis-py) that receives all pushes from now on. Raises `redis.RedisError`.

    A connection and not a client, which would connect again by itself: a lost connection has to be noticed. Each push
    is a product's id, alone when its answer was deleted, else with version, total and free units.
    """
    pool = redis_client.pool(settings.REDIS_URL, protocol=2, decode_responses=True)
    connection: Any = pool.make_connection()
    try:
        connection.connect()
        connection.send_command("SUBSCRIBE", _channel())
        connection.read_response()
        yield connection
    finally:
        connection.disconnect()


def _snapshot_of(found: list[Any], *, asked_at: float) -> Snapshot | None:
    """Return the answer with the counters written through, None where it is incomplete, of an older version, or
    unreadable.

    What is left of its time is counted from the moment of asking, less the millisecond that Redis rounds up.
    """
    # The client decodes what it reads to `str`; the TTL is a number, negative where there is none.
    *texts, ttl_ms = found
    if None in texts or not 0 < ttl_ms <= answers.MAX_AGE_MS:
        return None
    answer, total, free, tracks_stock, version = cast("list[str]", texts)
    expires_at = asked_at + (ttl_ms - 1) / 1000
    try:
        members: dict[str, Any] = json.loads(answer)
        if not members.keys() >= answers.MEMBERS:
            return None
        if tracks_stock == "1":
            members = with_units(members, total=int(total), available=int(free))
        return Snapshot(members, int(version), tracks_stock == "1", expires_at)
    except ValueError:
        return None


def _run(script: str, product_id: int, arguments: Sequence[int | str]) -> Any:
    return _script(redis_client.client(), script)(keys=_keys(product_id), args=arguments)


@functools.cache
def _script(client: redis.Redis, text: str) -> Script:
    """Return the script, whose digest is computed once for each client."""
    script: Script = client.register_script(text)
    return script


def _channel() -> str:
    # Unlike keys, channels are shared by all databases of a Redis: the number is in the name.
    return f"flashsale:products:{redis_client.client().get_connection_kwargs().get('db', 0)}"


def _keys(product_id: int) -> list[str]:
    # The braces are a hash tag: Redis Cluster keeps all three keys on one node.
    name = f"flashsale:product:{{{product_id}}}"
    return [name, f"{name}:version", f"{name}:changed"]

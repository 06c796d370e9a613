"""Product answers kept in Valkey/Redis for at most one second: never the truth, never older than the last commit.

Every committing change of a product's stock leaves its new version here; an answer of an older version is neither
given nor kept. Where Redis does not answer, PostgreSQL does. A lost note of a change can keep an old answer alive for
the rest of its second, no longer: its life counts from the moment PostgreSQL was read.
"""

import json
import time
from typing import Any

from django.db import connection, transaction

from catalog.models import OUTLOOK, Product
from flashsale.core import kv

MAX_AGE_MS = int(OUTLOOK.total_seconds() * 1000)

# KEYS[1] the product; ARGV: version, life in milliseconds, answer ("" notes the version and drops an older answer).
_KEEP_NEWEST = """
local known = tonumber(redis.call('HGET', KEYS[1], 'version') or '-1')
if tonumber(ARGV[1]) < known or (ARGV[3] == '' and tonumber(ARGV[1]) == known) then return 0 end
redis.call('HSET', KEYS[1], 'version', ARGV[1], 'answer', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
"""


class _Store:
    """The Redis connections of this process."""

    def __init__(self) -> None:
        self._redis = kv.client()
        self._keep_newest = self._redis.register_script(_KEEP_NEWEST)
        self._breaker = kv.Breaker(without="PostgreSQL answers for products")

    def answer(self, key: str) -> str | None:
        return self._breaker.tried(lambda: self._redis.hget(key, "answer"))

    def keep(self, key: str, *, version: int, life_ms: int, answer: str) -> None:
        self._breaker.tried(lambda: self._keep_newest(keys=[key], args=[version, life_ms, answer]))


_store = _Store()


def read(product_id: int) -> dict[str, Any] | None:
    """Return the kept answer for a product, or None: then PostgreSQL has to be asked.

    Inside a transaction it is always None, because what the transaction wrote is not here yet.
    """
    kept = None if connection.in_atomic_block else _store.answer(_key(product_id))
    return json.loads(kept) if kept else None


def keep(product: Product, answer: dict[str, Any], *, read_since: float) -> None:
    """Keep the answer made of a product that was read after `read_since` (monotonic, in seconds).

    The product carries its availability and outlook (see `ProductQuerySet`).
    It is not kept when the clock alone, a deadline or the sale's window, changes it before it would be too old.
    """
    if connection.in_atomic_block or _changes_soon(product):
        return
    life_ms = MAX_AGE_MS - int((time.monotonic() - read_since) * 1000)
    if life_ms > 0:
        _store.keep(_key(product.pk), version=product.stock_version, life_ms=life_ms, answer=json.dumps(answer))


def note_change(product_id: int, *, version: int) -> None:
    """Outdate what is kept of a product when the present transaction commits."""
    transaction.on_commit(
        lambda: _store.keep(_key(product_id), version=version, life_ms=MAX_AGE_MS, answer=""), robust=True
    )


def _changes_soon(product: Product) -> bool:
    soon = product.read_at + OUTLOOK
    boundaries = (product.sale_starts_at, product.sale_ends_at)
    return product.due_units > 0 or any(moment and product.read_at < moment <= soon for moment in boundaries)


def _key(product_id: int) -> str:
    return f"flashsale:product:{product_id}"

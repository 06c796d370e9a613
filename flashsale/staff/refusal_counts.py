"""Refused claims per minute, counted in Valkey/Redis for the dashboard's chart; approximate, and lost with Redis.

Each process collects its counts and writes them at most once a second, so that a refusal costs no round trip.
"""

import threading
import time
from collections import Counter

from flashsale.core import redis_client

RETENTION_SECONDS = 2 * 3600
FLUSH_SECONDS = 1.0

_breaker = redis_client.CircuitBreaker(fallback="refusals are not counted")


class RefusalCounter:
    """Counts refusals of this process and writes them to Redis."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._unwritten: Counter[int] = Counter()
        self._written_at = 0.0

    def reset(self) -> None:
        """Forget the refusals that were not written yet."""
        with self._lock:
            self._unwritten.clear()
            self._written_at = 0.0

    def add(self) -> None:
        """Count one refusal now."""
        with self._lock:
            self._unwritten[int(time.time()) // 60] += 1
            if time.monotonic() - self._written_at < FLUSH_SECONDS:
                return
            self._written_at = time.monotonic()
            unwritten, self._unwritten = self._unwritten, Counter()
        _breaker.call(lambda: _add(unwritten))


def per_minute(minutes: list[int]) -> list[int]:
    """Return the refusals in each of these minutes (since the epoch); zeros without Redis."""
    counts = _breaker.call(lambda: redis_client.client().mget([_key(minute) for minute in minutes]))
    return [int(count or 0) for count in counts or [0] * len(minutes)]


def _add(counts: Counter[int]) -> None:
    pipeline = redis_client.client().pipeline(transaction=False)
    for minute, count in counts.items():
        pipeline.incrby(_key(minute), count)
        pipeline.expire(_key(minute), RETENTION_SECONDS)
    pipeline.execute()


def _key(minute: int) -> str:
    return f"flashsale:refusals:{minute}"


counter = RefusalCounter()

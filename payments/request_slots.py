"""When a request to a provider's API may be sent: an even rate for each endpoint, over all processes (leaky bucket).

A slot is a place in the line of an endpoint, whose end is a row of PostgreSQL. Requests that a buyer waits for take the
next place. All others take one only while the line is short: that is enough to use the whole rate when no buyer waits,
and delays a buyer by no more. So that they are never shut out, they get a small share of a long line.
"""

import time
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection

from flashsale.core import clock
from flashsale.core.statements import Query, Statement, fetch
from flashsale.core.transactions import defer_to_commit, retrying_transaction

# Longer lines are not possible, so that the row of a clock that was set back does not stop everything.
MAX_WAIT_SECONDS = 60
# The places that are open to the background.
SHORT_LINE = 5
# In a longer line, one request of this many may be one of the background.
BACKGROUND_SHARE = 10
PAUSE_SECONDS = 0.1

_ADD = """
INSERT INTO payments_requestslot (name, next_at) VALUES (%s, clock_timestamp()) ON CONFLICT (name) DO NOTHING
"""
_LOCK = "SELECT next_at FROM payments_requestslot WHERE name = %s FOR NO KEY UPDATE"
_MOVE = "UPDATE payments_requestslot SET next_at = %s WHERE name = %s"


def reserve(name: str, *, max_wait: float, is_urgent: bool) -> float | None:
    """Reserve the next request to an endpoint; return the seconds to wait before it is sent.

    None, and nothing is reserved, when the wait would be longer than `max_wait` seconds (60 at most). `is_urgent`: a
    buyer waits for the answer. The slot's row stays locked until the caller's transaction ends: reserve last, and end
    it at once. What is rolled back was not reserved.
    """
    if is_urgent:
        return next(iter(reserve_urgent(name, count=1, max_wait=max_wait)), None)
    interval, longest = _interval(), min(max_wait, MAX_WAIT_SECONDS)
    if waits := _take(name, count=1, interval=interval, max_wait=min(longest, SHORT_LINE * interval)):
        return waits[0]
    if not _take(f"{name} (background)", count=1, interval=interval * BACKGROUND_SHARE, max_wait=0):
        return None
    return next(iter(_take(name, count=1, interval=interval, max_wait=longest)), None)


def reserve_urgent(name: str, *, count: int, max_wait: float) -> list[float]:
    """Reserve the next `count` requests to an endpoint, for which buyers wait; return the seconds to wait for each.

    Those that would wait longer than `max_wait` seconds (60 at most) are not reserved. All else is as for `reserve`.
    """
    return _take(name, count=count, interval=_interval(), max_wait=min(max_wait, MAX_WAIT_SECONDS))


def wait_for(name: str, *, seconds: float) -> bool:
    """Wait in a task until a request that no buyer waits for may be sent, for `seconds`; say whether it may.

    Meanwhile the thread has no database connection.
    """
    ends_at = time.monotonic() + seconds
    while (wait := _reserve_in_background(name, max_wait=seconds)) is None:
        if time.monotonic() > ends_at:
            return False
        time.sleep(PAUSE_SECONDS)
    release_connection()
    time.sleep(wait)
    return True


def release_connection() -> None:
    """Return the thread's database connection to the pool, unless a transaction is open (in tests)."""
    if not connection.in_atomic_block:
        connection.close()


@retrying_transaction
def _reserve_in_background(name: str, *, max_wait: float) -> float | None:
    return reserve(name, max_wait=max_wait, is_urgent=False)


def _interval() -> float:
    return 1 / settings.STRIPE_REQUESTS_PER_SECOND


def _take(name: str, *, count: int, interval: float, max_wait: float) -> list[float]:
    """Take places at the end of a line, as many as begin within `max_wait` seconds; return the wait for each."""
    next_at, now = fetch(_locking_query(name), clock.query())
    first_wait = (next_at - now).total_seconds()
    if not 0 <= first_wait <= MAX_WAIT_SECONDS:
        first_wait = 0.0
    waits = [wait for place in range(count) if (wait := first_wait + place * interval) <= max_wait]
    if waits:
        defer_to_commit(Statement(_MOVE, [now + timedelta(seconds=waits[-1] + interval), name]))
    return waits


def _locking_query(name: str) -> Query[datetime]:
    """Lock the end of a line until the transaction ends, a new one if there is none yet."""
    return Query([Statement(_ADD, [name]), Statement(_LOCK, [name])], lambda results: results[1][0]["next_at"])

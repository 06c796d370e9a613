"""When a request to a provider's API may be sent: an even rate for each endpoint, over all processes (leaky bucket).

A slot is a place in the line of an endpoint, whose end is a row of PostgreSQL. Requests that a buyer waits for take the
next place. All others take one only while the line is short: that is enough to use the whole rate when no buyer waits,
and delays a buyer by no more. So that they are never shut out, they get a small share of a long line.
"""

import time

from django.conf import settings
from django.db import connection

from flashsale.core.statements import Statement, send
from flashsale.core.transactions import retrying_transaction

# Longer lines are not possible, so that the row of a clock that was set back does not stop everything.
MAX_WAIT_SECONDS = 60
# The places that are open to the background.
SHORT_LINE = 5
# In a longer line, one request of this many may be one of the background.
BACKGROUND_SHARE = 10
PAUSE_SECONDS = 0.1

# The row is locked before its values are read and compared (INSERT ... ON CONFLICT DO UPDATE).
# Source: https://www.postgresql.org/docs/current/transaction-iso.html#XACT-READ-COMMITTED
_TAKE = """
INSERT INTO payments_requestslot AS slot (name, next_at)
VALUES (%s, clock_timestamp() + make_interval(secs => %s))
ON CONFLICT (name) DO UPDATE SET next_at =
    CASE WHEN slot.next_at BETWEEN clock_timestamp() AND clock_timestamp() + make_interval(secs => %s)
    THEN slot.next_at ELSE clock_timestamp() END + make_interval(secs => %s)
WHERE slot.next_at <= clock_timestamp() + make_interval(secs => %s)
    OR slot.next_at > clock_timestamp() + make_interval(secs => %s)
RETURNING greatest(extract(epoch FROM slot.next_at - clock_timestamp()) - %s, 0)::float8 AS wait
"""


def reserve(name: str, *, max_wait: float, is_urgent: bool) -> float | None:
    """Reserve the next request to an endpoint; return the seconds to wait before it is sent.

    None, and nothing is reserved, when the wait would be longer than `max_wait` seconds (60 at most). `is_urgent`: a
    buyer waits for the answer. The slot's row stays locked until the caller's transaction ends: reserve last, and end
    it at once. What is rolled back was not reserved.
    """
    interval, longest = 1 / settings.STRIPE_REQUESTS_PER_SECOND, min(max_wait, MAX_WAIT_SECONDS)
    if is_urgent:
        return _take(name, interval=interval, max_wait=longest)
    if (wait := _take(name, interval=interval, max_wait=min(longest, SHORT_LINE * interval))) is not None:
        return wait
    if _take(f"{name} (background)", interval=interval * BACKGROUND_SHARE, max_wait=0) is None:
        return None
    return _take(name, interval=interval, max_wait=longest)


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


def _take(name: str, *, interval: float, max_wait: float) -> float | None:
    """Take the place at the end of a line unless the wait is too long; return the wait in seconds."""
    params = [name, interval, MAX_WAIT_SECONDS, interval, max_wait, MAX_WAIT_SECONDS, interval]
    [rows] = send([Statement(_TAKE, params)])
    return rows[0]["wait"] if rows else None

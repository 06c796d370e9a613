"""When a delivery that failed is tried again: twelve tries over about three days."""

import random
import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

MINUTE, HOUR = 60, 3_600
# The wait before each try, in seconds.
WAITS_SECONDS = (
    0, 5, 30, 2 * MINUTE, 10 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR,
)  # fmt: skip
MAX_TRIES = len(WAITS_SECONDS)
# Each wait is shorter or longer by up to this part, so that what failed together is not tried together.
JITTER = 0.2
MAX_RETRY_AFTER_SECONDS = HOUR
_SECONDS = re.compile(r"[0-9]{1,100}", re.ASCII)


def wait_after(tries: int) -> timedelta | None:
    """Return how long to wait after so many tries, at least one; None when there is no other try."""
    if tries >= MAX_TRIES:
        return None
    return timedelta(seconds=WAITS_SECONDS[tries] * random.uniform(1 - JITTER, 1 + JITTER))


def asked_wait(retry_after: str, *, now: datetime) -> timedelta:
    """Return how long a receiver asks to wait, at most `MAX_RETRY_AFTER_SECONDS`: nothing without a header it can read.

    Source: https://www.rfc-editor.org/rfc/rfc9110#field.retry-after
    """
    if _SECONDS.fullmatch(retry_after):
        return timedelta(seconds=min(int(retry_after), MAX_RETRY_AFTER_SECONDS))
    try:
        until = parsedate_to_datetime(retry_after)
    except (ValueError, TypeError, IndexError, OverflowError):
        return timedelta(0)
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return min(max(until - now, timedelta(0)), timedelta(seconds=MAX_RETRY_AFTER_SECONDS))

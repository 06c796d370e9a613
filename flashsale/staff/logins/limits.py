"""Limits of log-ins a minute: for each address, for all unknown browsers together, and for each known browser.

All unknown browsers share a limit because each log-in costs a quarter of a second of processor time. A flood does not
lock staff out: known browsers do not count in that limit, and log-ins of an address after its first `FIRST_LOGINS` in a
minute count in another one, half as large, so that only a great many addresses could use up the shared limit.
"""

import functools
import time

from django.conf import settings
from django.http import HttpRequest
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import MovingWindowRateLimiter

from flashsale.core import redis_client
from flashsale.core.rest.client_address import address_of
from flashsale.staff.logins import known_browsers

FIRST_LOGINS = 3
# The one client of the limits that all unknown browsers share.
UNKNOWN_BROWSERS = "all"

_breaker = redis_client.CircuitBreaker(fallback="log-ins are limited in each process alone")


class TooManyLogins(Exception):
    """This client, or all unknown browsers together, logged in too often within a minute; no password was compared."""

    def __init__(self, retry_after_seconds: float) -> None:
        super().__init__("Too many log-ins.")
        self.retry_after_seconds = retry_after_seconds


def count_login(request: HttpRequest) -> None:
    """Count a log-in. Raises `TooManyLogins`."""
    browser = known_browsers.browser_of(request)
    if browser:
        _hit(settings.LOGINS_PER_MINUTE, "browser", browser)
        return
    address = address_of(request)
    _hit(settings.LOGINS_PER_MINUTE, "address", address)
    overall = settings.LOGINS_PER_MINUTE_OVERALL
    if _refused_for(FIRST_LOGINS, "first", address):
        _hit(overall // 2, "repeating", UNKNOWN_BROWSERS)
    else:
        _hit(overall, "unknown browsers", UNKNOWN_BROWSERS)


def _hit(quota: int, kind: str, client: str) -> None:
    """Count against one quota; 0 is no limit. Raises `TooManyLogins`."""
    seconds = _refused_for(quota, kind, client) if quota else 0
    if seconds:
        raise TooManyLogins(seconds)


def _refused_for(quota: int, kind: str, client: str) -> float:
    """Count against one quota; return for how many seconds a client over it is refused, 0 within the quota."""
    item = RateLimitItemPerMinute(quota)
    reset_at = _breaker.call(lambda: _refused_until(_redis_limiter(settings.REDIS_URL), item, kind, client))
    if reset_at is None:
        reset_at = _refused_until(_process_limiter(), item, kind, client)
    return max(1.0, reset_at - time.time()) if reset_at else 0


def _refused_until(limiter: MovingWindowRateLimiter, item: RateLimitItemPerMinute, kind: str, client: str) -> float:
    """Return when the client may try again (Unix time), or 0 when it was within its quota."""
    if limiter.hit(item, "logins", kind, client):
        return 0
    return limiter.get_window_stats(item, "logins", kind, client).reset_time


@functools.cache
def _redis_limiter(url: str) -> MovingWindowRateLimiter:
    return MovingWindowRateLimiter(RedisStorage("redis://", connection_pool=redis_client.pool(url)))


@functools.cache
def _process_limiter() -> MovingWindowRateLimiter:
    return MovingWindowRateLimiter(MemoryStorage())

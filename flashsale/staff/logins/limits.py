"""How many log-ins a minute: for each address, for all strangers together, and for each known browser.

What strangers do in all is bounded because each log-in costs a quarter of a second of processor time. Two things keep
a flood from shutting staff out: known browsers are counted outside of that bound, and each address has its first few
log-ins of a minute counted apart, so that only very many addresses together could use those up.
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
# The one client that all unknown browsers are together.
STRANGERS = "all"

_breaker = redis_client.CircuitBreaker(fallback="log-ins are limited in each process alone")


class TooManyLogins(Exception):
    """This client, or all strangers together, logged in too often within a minute; nothing was looked at."""

    def __init__(self, retry_after_seconds: float) -> None:
        super().__init__("Too many log-ins.")
        self.retry_after_seconds = retry_after_seconds


def count(request: HttpRequest) -> None:
    """Count a log-in. Raises `TooManyLogins`."""
    browser = known_browsers.browser_of(request)
    if browser:
        _hit(settings.LOGINS_PER_MINUTE, "browser", browser)
        return
    address = address_of(request)
    _hit(settings.LOGINS_PER_MINUTE, "address", address)
    overall = settings.LOGINS_PER_MINUTE_OVERALL
    if _refused_for(FIRST_LOGINS, "first", address):
        _hit(overall // 2, "repeating", STRANGERS)
    else:
        _hit(overall, "strangers", STRANGERS)


def _hit(quota: int, kind: str, client: str) -> None:
    """Count against one quota; 0 is no limit. Raises `TooManyLogins`."""
    seconds = _refused_for(quota, kind, client) if quota else 0
    if seconds:
        raise TooManyLogins(seconds)


def _refused_for(quota: int, kind: str, client: str) -> float:
    """Count against one quota; return for how many seconds a client over it is refused, or 0."""
    item = RateLimitItemPerMinute(quota)
    reset_at = _breaker.call(lambda: _refused_until(_shared(settings.REDIS_URL), item, kind, client))
    if reset_at is None:
        reset_at = _refused_until(_own(), item, kind, client)
    return max(1.0, reset_at - time.time()) if reset_at else 0


def _refused_until(limiter: MovingWindowRateLimiter, item: RateLimitItemPerMinute, kind: str, client: str) -> float:
    """Return when the client may try again (Unix time), or 0 when it was within its quota."""
    if limiter.hit(item, "logins", kind, client):
        return 0
    return limiter.get_window_stats(item, "logins", kind, client).reset_time


@functools.cache
def _shared(url: str) -> MovingWindowRateLimiter:
    return MovingWindowRateLimiter(RedisStorage(url, **redis_client.connect_options()))


@functools.cache
def _own() -> MovingWindowRateLimiter:
    return MovingWindowRateLimiter(MemoryStorage())

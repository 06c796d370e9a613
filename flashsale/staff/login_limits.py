"""How many log-ins a minute: for each address, for all strangers together, and for each known browser.

What strangers do in all is bounded because each log-in costs a quarter of a second of processor time. Known browsers
are counted outside of that bound, so that a flood from many addresses does not keep staff out.
"""

import functools
import time

from django.conf import settings
from django.http import HttpRequest
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import MovingWindowRateLimiter

from flashsale.core import kv
from flashsale.core.client_address import address_of
from flashsale.staff import known_browsers

# The one client that all unknown browsers are together.
STRANGERS = "all"

_breaker = kv.Breaker(without="log-ins are limited in each process alone")


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
    _hit(settings.LOGINS_PER_MINUTE, "address", address_of(request))
    _hit(settings.LOGINS_PER_MINUTE_OVERALL, "strangers", STRANGERS)


def _hit(quota: int, kind: str, client: str) -> None:
    """Count against one quota; 0 is no limit."""
    if not quota:
        return
    item = RateLimitItemPerMinute(quota)
    reset_at = _breaker.tried(lambda: _refused_until(_shared(settings.REDIS_URL), item, kind, client))
    if reset_at is None:
        reset_at = _refused_until(_own(), item, kind, client)
    if reset_at:
        raise TooManyLogins(max(1.0, reset_at - time.time()))


def _refused_until(limiter: MovingWindowRateLimiter, item: RateLimitItemPerMinute, kind: str, client: str) -> float:
    """Return when the client may try again (Unix time), or 0 when it was within its quota."""
    if limiter.hit(item, "logins", kind, client):
        return 0
    return limiter.get_window_stats(item, "logins", kind, client).reset_time


@functools.cache
def _shared(url: str) -> MovingWindowRateLimiter:
    return MovingWindowRateLimiter(RedisStorage(url, **kv.connect_options()))


@functools.cache
def _own() -> MovingWindowRateLimiter:
    return MovingWindowRateLimiter(MemoryStorage())

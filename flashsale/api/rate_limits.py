"""Rate limits: a quota of requests a minute for each client and scope, counted in Valkey/Redis.

A client is an API token, or else an address. A view's `rate_scopes` maps its actions to scopes; an action that is
missing there (polling an order, webhooks) is not limited. Without Redis no request is limited.

Source of the headers: draft-ietf-httpapi-ratelimit-headers-10.
"""

import functools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from limits import RateLimitItemPerMinute
from limits.storage import RedisStorage
from limits.strategies import MovingWindowRateLimiter
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from flashsale.core import redis_client
from flashsale.core.rest.client_address import address_of

if TYPE_CHECKING:  # this class is loaded while the views' module is
    from rest_framework.views import APIView

WINDOW_SECONDS = 60

View = Callable[..., HttpResponse]

_breaker = redis_client.CircuitBreaker(fallback="requests are not rate limited")


@dataclass(frozen=True)
class QuotaState:
    """A client's quota in a scope after this request: requests left, and seconds until there are more."""

    scope: str
    quota: int
    remaining: int
    reset_seconds: int

    @property
    def headers(self) -> dict[str, str]:
        """The quota as headers of the response."""
        return {
            "RateLimit-Policy": f'"{self.scope}";q={self.quota};w={WINDOW_SECONDS}',
            "RateLimit": f'"{self.scope}";r={self.remaining};t={self.reset_seconds}',
        }


class RateLimit(BaseThrottle):
    """Refuses a request over the quota of its scope; the response's headers show the quota either way."""

    def allow_request(self, request: Request, view: "APIView") -> bool:
        """Count the request. Raises `Throttled` when it is over the quota: one instance counts all requests."""
        scope = scope_of(view)
        quota = (settings.TOKEN_RATE_LIMITS if request.auth else settings.RATE_LIMITS).get(scope, 0)
        if quota:
            is_allowed, state = count(request._request, scope, quota, client=client_of(request))
            if not is_allowed:
                raise exceptions.Throttled(wait=max(1, state.reset_seconds))
        return True


def limited(scope: str) -> Callable[[View], View]:
    """Decorate a view outside the API: refuse an address that is over its quota of the scope."""

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def within_quota(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            client = f"address:{address_of(request)}"
            is_allowed, state = count(request, scope, settings.RATE_LIMITS.get(scope, 0), client=client)
            if is_allowed:
                return view(request, *args, **kwargs)
            headers = {"Retry-After": str(max(1, state.reset_seconds))}
            status = HTTPStatus.TOO_MANY_REQUESTS
            return HttpResponse(status.phrase, status=status, content_type="text/plain", headers=headers)

        return within_quota

    return decorate


def count(request: HttpRequest, scope: str | None, quota: int, *, client: str) -> tuple[bool, QuotaState | None]:
    """Count one request of a client; return whether it is within the quota, and the quota, None without Redis.

    A quota of 0 is no limit. `add_headers` puts the quota into the response's headers.
    """
    counted = _breaker.call(lambda: _count(scope, quota, client)) if quota else None
    if counted is None:
        return True, None
    is_allowed, request.rate_limit = counted
    return is_allowed, request.rate_limit


def add_headers(request: HttpRequest, response: HttpResponse) -> None:
    """Add the state of the quota in which this request was counted, if it was, as `RateLimit` headers."""
    state: QuotaState | None = vars(request).get("rate_limit")
    if state is not None:
        for name, value in state.headers.items():
            response.headers[name] = value


def scope_of(view: "APIView") -> str | None:
    """Return the rate scope of the view's action, None where it is not limited."""
    return getattr(view, "rate_scopes", {}).get(getattr(view, "action", None))


def client_of(request: Request) -> str:
    """Return the client that a request is counted for."""
    return f"token:{request.auth.prefix}" if request.auth else f"address:{address_of(request._request)}"


def _count(scope: str, quota: int, client: str) -> tuple[bool, QuotaState]:
    item = RateLimitItemPerMinute(quota)
    limiter = _limiter(settings.REDIS_URL)
    is_allowed = limiter.hit(item, scope, client)
    window = limiter.get_window_stats(item, scope, client)
    reset_seconds = max(0, math.ceil(window.reset_time - time.time()))
    return is_allowed, QuotaState(scope, quota, window.remaining, reset_seconds)


@functools.cache
def _limiter(url: str) -> MovingWindowRateLimiter:
    return MovingWindowRateLimiter(RedisStorage("redis://", connection_pool=redis_client.pool(url)))

"""What pages share with the API, as the site's middleware: request ids, and headers about rate limits."""

import random
import re
from collections.abc import Callable

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse

from flashsale.api import rate_limits
from flashsale.core import tracing

_REQUEST_ID = re.compile(r"[0-9a-f]{32}")


class RequestIdMiddleware:
    """Middleware: give each request an id, which its log lines and its response carry, and note its trace."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.request_id = new_request_id(request)
        bound = structlog.contextvars.bind_contextvars(request_id=request.request_id)
        tracing.begin(request.request_id, request.META.get("HTTP_TRACEPARENT"))
        try:
            response = self.get_response(request)
        finally:
            tracing.end(request.request_id)
            structlog.contextvars.reset_contextvars(**bound)
        response.headers["X-Request-ID"] = request.request_id
        return response


class RateLimitHeadersMiddleware:
    """Middleware: add the state of the quota in which this request was counted, as `RateLimit` headers."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        rate_limits.add_headers(request, response)
        return response


def new_request_id(request: HttpRequest) -> str:
    """Return the id that our own proxy gave the request, so that its log and ours agree, or else a new one."""
    proxy_id = request.META.get("HTTP_X_REQUEST_ID", "") if settings.TRUSTED_PROXIES else ""
    return proxy_id if _REQUEST_ID.fullmatch(proxy_id) else f"{random.getrandbits(128):032x}"

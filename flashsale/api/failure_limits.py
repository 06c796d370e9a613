"""Limits of failures: how often an address may send wrong API tokens, or webhooks with a wrong signature.

An address over its quota is penalized until its window has passed: requests that may fail in the same way are processed
one at a time in each process, and one that fails is answered with 429. It is not locked out, so that a provider
that shares its address with other clients still gets its webhooks through.
"""

import hashlib
import time
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from rest_framework import exceptions
from rest_framework.views import APIView

from flashsale.api import rate_limits
from flashsale.core import greenlets
from flashsale.core.capacity import shares
from flashsale.core.capacity.bulkheads import Bulkhead
from flashsale.core.transactions import Busy
from payments.inbox import SignatureInvalid

WRONG_TOKENS, REFUSED_DELIVERIES = "wrong_tokens", "refused_deliveries"
KINDS: tuple[tuple[type[Exception], str], ...] = (
    (exceptions.AuthenticationFailed, WRONG_TOKENS),
    (SignatureInvalid, REFUSED_DELIVERIES),
)
WAIT_SECONDS = 5.0
# How long the next penalized request waits after one that failed, and how long a request waits before it is answered
# with 429 because the queue is full.
PENALTY_PAUSE_SECONDS = 0.01
QUEUE_FULL_PAUSE_SECONDS = 0.5
MAX_KEYS = 10_000
# For how long an accepted token is exempt from the penalty of its address.
ACCEPTED_TOKEN_SECONDS = 600

penalized_requests = Bulkhead(lambda: 1, waiting=shares.penalized_requests, wait_seconds=WAIT_SECONDS)


class ExpiringKeys:
    """Keys that expire, at most `MAX_KEYS` of them: all are deleted before one more is set."""

    def __init__(self) -> None:
        # Monotonic seconds.
        self._expires_at: dict[object, float] = {}

    def __len__(self) -> int:
        return len(self._expires_at)

    def reset(self) -> None:
        """Forget everything."""
        self._expires_at.clear()

    def seconds_left(self, key: object) -> float:
        """Return for how many seconds the key is still there; 0 without it."""
        seconds = self._expires_at.get(key, 0.0) - time.monotonic()
        if seconds <= 0:
            self._expires_at.pop(key, None)
        return max(0.0, seconds)

    def set(self, key: object, seconds: float) -> None:
        """Keep the key for `seconds` from now."""
        if len(self._expires_at) >= MAX_KEYS and key not in self._expires_at:
            self._expires_at.clear()
        self._expires_at[key] = time.monotonic() + seconds


_penalties = ExpiringKeys()
_accepted_tokens = ExpiringKeys()


def mark_failed(request: HttpRequest, error: Exception, view: APIView) -> None:
    """Set on a request that failed in one of `KINDS` that kind (`failure`) and its view's rate scope (`failed_in`)."""
    for kind, scope in KINDS:
        if isinstance(error, kind):
            request.failure = scope
            request.failed_in = rate_limits.scope_of(view)


def remember_accepted_token(request: HttpRequest) -> None:
    """Exempt the token of a request that was authenticated by one."""
    if getattr(request, "auth", None):
        _accepted_tokens.set(_digest(request), ACCEPTED_TOKEN_SECONDS)


def penalty_seconds(request: HttpRequest) -> float:
    """Return for how many seconds the address is penalized for the kind of failure that this request can have, or 0."""
    kind = _possible_failure(request) if _penalties else None
    if kind is None:
        return 0.0
    seconds = _penalties.seconds_left((kind, rate_limits.address_of(request)))
    is_exempt = seconds and kind == WRONG_TOKENS and _accepted_tokens.seconds_left(_digest(request))
    return 0.0 if is_exempt else seconds


def answer_in_turn(request: HttpRequest, answer: Callable[[HttpRequest], HttpResponse]) -> HttpResponse | None:
    """Answer a penalized request, one at a time; return None when too many of them wait already."""
    try:
        with penalized_requests.entered():
            response = answer(request)
            if hasattr(request, "failure"):
                # The next penalized request waits meanwhile, so that a flood takes little processor time.
                greenlets.sleep(PENALTY_PAUSE_SECONDS)
            return response
    except Busy:
        greenlets.sleep(QUEUE_FULL_PAUSE_SECONDS)
        return None


def count_failure(request: HttpRequest) -> float:
    """Count a failure that `mark_failed` found; return for how many seconds the address is penalized now, mostly 0.

    A wrong token counts in the view's own scope too, as every request without a valid token does.
    """
    address = rate_limits.address_of(request)
    for scope in dict.fromkeys((request.failure, request.failed_in)):
        is_allowed, state = rate_limits.count(
            request, scope, settings.RATE_LIMITS.get(scope, 0), client=f"address:{address}"
        )
        if not is_allowed:
            seconds = max(1, state.reset_seconds)
            _penalties.set((request.failure, address), seconds)
            return seconds
    return 0.0


def _possible_failure(request: HttpRequest) -> str | None:
    if "/payments/webhook" in request.path_info:
        return REFUSED_DELIVERIES
    return WRONG_TOKENS if "HTTP_AUTHORIZATION" in request.META else None


def _digest(request: HttpRequest) -> bytes:
    return hashlib.sha256(request.META.get("HTTP_AUTHORIZATION", "").encode()).digest()

"""Failures count: how often an address may send wrong API tokens, or webhooks that their provider did not sign.

An address over its quota is suspect until its window has passed. Its requests of that kind are still looked at, so that
failures sent from a provider's address do not lock it out, but one at a time in each process; another failure is 429.
"""

import hashlib
import time

from django.conf import settings
from django.http import HttpRequest
from rest_framework import exceptions
from rest_framework.views import APIView

from flashsale.api import rate_limits
from flashsale.core.capacity import shares
from flashsale.core.capacity.bulkheads import Bulkhead
from payments.inbox import SignatureInvalid

WRONG_TOKENS, REFUSED_DELIVERIES = "wrong_tokens", "refused_deliveries"
KINDS: tuple[tuple[type[Exception], str], ...] = (
    (exceptions.AuthenticationFailed, WRONG_TOKENS),
    (SignatureInvalid, REFUSED_DELIVERIES),
)
WAIT_SECONDS = 5.0
# How long a suspect that failed again keeps the next one waiting, and how long those wait that found the queue full.
PAUSE_SECONDS = 0.01
CROWD_PAUSE_SECONDS = 0.5
MOST_REMEMBERED = 10_000
# A token that was accepted is not suspect for this long, even when its address is.
TRUSTED_SECONDS = 600

suspects = Bulkhead(lambda: 1, waiting=shares.suspects, wait_seconds=WAIT_SECONDS)


class Deadlines:
    """Until when (monotonic seconds) something is so; a bounded number of things, all forgotten when they are more."""

    def __init__(self) -> None:
        self._until: dict[object, float] = {}

    def __len__(self) -> int:
        return len(self._until)

    def reset(self) -> None:
        """Forget everything."""
        self._until.clear()

    def left(self, key: object) -> float:
        """Return the seconds that are left; 0 when it is not so."""
        left = self._until.get(key, 0.0) - time.monotonic()
        if left <= 0:
            self._until.pop(key, None)
        return max(0.0, left)

    def set(self, key: object, seconds: float) -> None:
        """Let it be so for `seconds` from now."""
        if len(self._until) >= MOST_REMEMBERED and key not in self._until:
            self._until.clear()
        self._until[key] = time.monotonic() + seconds


_suspect = Deadlines()
_trusted = Deadlines()


def record_failure(request: HttpRequest, error: Exception, view: APIView) -> None:
    """Note on the request that it failed in one of these ways, and in which rate scope of the view."""
    for kind, scope in KINDS:
        if isinstance(error, kind):
            request.failure = scope
            request.failed_in = rate_limits.scope_of(view)


def trust(request: HttpRequest) -> None:
    """Note that the request's token was right, if it had one."""
    if getattr(request, "auth", None):
        _trusted.set(_digest(request), TRUSTED_SECONDS)


def seconds_suspect(request: HttpRequest) -> float:
    """Return for how long the request's address stays suspect of what the request may fail in; 0 when it is not."""
    kind = _may_fail_in(request) if _suspect else None
    if kind is None or not (left := _suspect.left((kind, rate_limits.address_of(request)))):
        return 0.0
    return 0.0 if kind == WRONG_TOKENS and _trusted.left(_digest(request)) else left


def count(request: HttpRequest) -> float:
    """Count the failure noted on a request; return the seconds that its address is suspect from now on, mostly 0.

    A wrong token counts in the view's own scope too, as the request of the anonymous client that it is.
    """
    address = rate_limits.address_of(request)
    for scope in dict.fromkeys((request.failure, request.failed_in)):
        is_allowed, state = rate_limits.count(
            request, scope, settings.RATE_LIMITS.get(scope, 0), client=f"address:{address}"
        )
        if not is_allowed:
            seconds = max(1, state.reset_seconds)
            _suspect.set((request.failure, address), seconds)
            return seconds
    return 0.0


def _may_fail_in(request: HttpRequest) -> str | None:
    if "/payments/webhook" in request.path_info:
        return REFUSED_DELIVERIES
    return WRONG_TOKENS if "HTTP_AUTHORIZATION" in request.META else None


def _digest(request: HttpRequest) -> bytes:
    return hashlib.sha256(request.META.get("HTTP_AUTHORIZATION", "").encode()).digest()

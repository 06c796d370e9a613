"""Refused log-ins, and `busy`, as pages of the admin instead of server errors."""

from collections.abc import Callable

from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from flashsale.core import events
from flashsale.core.rest.client_address import address_of
from flashsale.core.transactions import OutcomeUnknown, is_transient
from flashsale.staff.logins.attempts import NameLocked
from flashsale.staff.logins.limits import TooManyLogins
from flashsale.staff.logins.passwords import HashingBusy

_refused = events.SampledEvent("login_refused")
_BUSY_RETRY_SECONDS = 2


class StaffRefusalsMiddleware:
    """Middleware: answer a refused log-in or password change with 429, a database that is busy with 503."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Answer an error of an admin page; None leaves it to Django."""
        if not request.path_info.startswith("/admin/"):
            return None
        if isinstance(error, NameLocked):
            return _page(request, "locked", error.retry_after_seconds)
        if isinstance(error, TooManyLogins):
            return _page(request, "rate", error.retry_after_seconds)
        if isinstance(error, HashingBusy):
            return _page(request, "hashing", _BUSY_RETRY_SECONDS)
        if isinstance(error, OutcomeUnknown) or (
            isinstance(error, (DatabaseError, InterfaceError)) and is_transient(error)
        ):
            return _page(request, "busy", _BUSY_RETRY_SECONDS, status=503)
        return None


def _page(request: HttpRequest, reason: str, retry_after_seconds: float, *, status: int = 429) -> HttpResponse:
    if status == 429:
        _refused.record(reason=reason, address=address_of(request))
    seconds = max(1, round(retry_after_seconds))
    context = {"reason": reason, "status": status, "seconds": seconds, "minutes": -(-seconds // 60)}
    response = render(request, "flashsale/refused.html", context, status=status)
    response.headers["Retry-After"] = str(seconds)
    response.headers["Cache-Control"] = "no-store"
    return response

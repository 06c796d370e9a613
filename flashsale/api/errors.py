"""The edge of the HTTP API: what every endpoint shares.

Refusals and errors become problem documents (RFC 9457) here, by one table.
"""

import functools
import random
import re
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import structlog
from django.conf import settings
from django.core.exceptions import DisallowedHost, PermissionDenied, RequestDataTooBig
from django.db import DatabaseError, InterfaceError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from rest_framework import exceptions, views

from catalog import inventory, sales
from checkout import holds, idempotency, orders
from checkout.orders import requests
from flashsale.api import authentication, failure_limits
from flashsale.core import events, refusals
from flashsale.core.rest.parsing import PayloadTooLarge
from flashsale.core.rest.views import AcyclicView, json_response
from flashsale.core.transactions import Busy, OutcomeUnknown, is_transient
from flashsale.staff import refusal_counts
from payments import inbox

PROBLEM_JSON = "application/problem+json"
BUSY_RETRY_AFTER_SECONDS = 1
REQUEST_ID = re.compile(r"[0-9a-f]{32}")

_busy = events.SampledEvent("request_busy")

STATUS_OF_REFUSAL: dict[type[refusals.Refusal], HTTPStatus] = {
    refusals.NotFound: HTTPStatus.NOT_FOUND,
    refusals.InvalidRequest: HTTPStatus.BAD_REQUEST,
    inventory.InsufficientStock: HTTPStatus.CONFLICT,
    sales.SaleNotStarted: HTTPStatus.CONFLICT,
    sales.SaleEnded: HTTPStatus.CONFLICT,
    sales.SalePaused: HTTPStatus.CONFLICT,
    sales.LimitExceeded: HTTPStatus.CONFLICT,
    holds.HoldExpired: HTTPStatus.CONFLICT,
    holds.HoldAlreadyUsed: HTTPStatus.CONFLICT,
    holds.HoldReleased: HTTPStatus.CONFLICT,
    orders.OrderAlreadyPaid: HTTPStatus.CONFLICT,
    orders.OrderNotPending: HTTPStatus.CONFLICT,
    requests.PaymentIdInUse: HTTPStatus.CONFLICT,
    idempotency.IdempotencyKeyReused: HTTPStatus.UNPROCESSABLE_ENTITY,
    inbox.SignatureInvalid: HTTPStatus.UNAUTHORIZED,
    authentication.ScopeMissing: HTTPStatus.FORBIDDEN,
}

# What somebody who wanted units was refused with; staff see how many.
REFUSED_CLAIMS = (
    inventory.InsufficientStock, sales.SaleNotStarted, sales.SaleEnded, sales.SalePaused, sales.LimitExceeded,
)  # fmt: skip

# What the framework raises by itself, and what is answered for a bare status when nothing better is known.
CODE_OF_STATUS: dict[int, tuple[str, str]] = {
    400: ("invalid", "Invalid request"),
    401: ("not_authenticated", "Authentication required"),
    403: ("forbidden", "Forbidden"),
    404: ("not_found", "Not found"),
    405: ("method_not_allowed", "Method not allowed"),
    406: ("not_acceptable", "Not acceptable"),
    413: ("payload_too_large", "Payload too large"),
    415: ("unsupported_media_type", "Unsupported media type"),
    429: ("throttled", "Too many requests"),
    500: ("internal_error", "Internal error"),
    503: ("busy", "Busy"),
}


class ApiNotFoundView(AcyclicView, views.APIView):
    """Answers every path under `/api` that no endpoint has."""

    def initial(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        raise refusals.NotFound("There is no such path in this API.")


class ProblemMiddleware:
    """Give each request an id, and answer every error under `/api` as a problem document, whoever made it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.request_id = _id_of(request)
        structlog.contextvars.bind_contextvars(request_id=request.request_id)
        try:
            response = self.get_response(request)
        finally:
            structlog.contextvars.clear_contextvars()
        is_api = request.path_info == "/api" or request.path_info.startswith("/api/")
        if is_api and response.status_code >= 400 and response.headers.get("Content-Type") != PROBLEM_JSON:
            response = self._translated(request, response)
        response.headers["X-Request-ID"] = request.request_id
        return response

    def _translated(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        code, title = _code_and_title(response.status_code)
        where = {"errors": [{"pointer": "#", "code": code, "detail": title}]} if response.status_code == 400 else {}
        body = problem(request, code, title, status=response.status_code, **where)
        return JsonResponse(body, status=response.status_code, content_type=PROBLEM_JSON)


class FailureLimitsMiddleware:
    """Middleware: count failed requests by address, and let suspect addresses in one at a time."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        seconds = failure_limits.seconds_suspect(request)
        response = self._of_suspect(request) if seconds else self.get_response(request)
        if response is not None and not hasattr(request, "failure"):
            failure_limits.trust(request)
            return response
        seconds = seconds or failure_limits.count(request)
        return answer_to(request, exceptions.Throttled(wait=seconds)) if seconds else response

    def _of_suspect(self, request: HttpRequest) -> HttpResponse | None:
        """Return the answer, None when too many wait for one already."""
        try:
            with failure_limits.suspects.entered():
                response = self.get_response(request)
                if hasattr(request, "failure"):
                    # The next one of them has to wait: a flood gets a trickle of the process's time.
                    time.sleep(failure_limits.PAUSE_SECONDS)
                return response
        except Busy:
            time.sleep(failure_limits.CROWD_PAUSE_SECONDS)
            return None


def _id_of(request: HttpRequest) -> str:
    """Return the id that our own proxy gave the request, so that its log and ours agree, or else a new one."""
    given = request.headers.get("X-Request-ID", "") if settings.TRUSTED_PROXIES else ""
    return given if REQUEST_ID.fullmatch(given) else f"{random.getrandbits(128):032x}"


def problem(
    request: HttpRequest, code: str, title: str, *, status: int, detail: str = "", **extra: Any
) -> dict[str, Any]:
    """Return the members of a problem document.

    Source: RFC 9457, section 3.1; `code`, `request_id` and what a refusal carries are extension members.
    """
    return {
        "type": _type_uri(request, code),
        "title": title,
        "status": int(status),
        "detail": detail or title,
        "code": code,
        "request_id": getattr(request, "request_id", None),
        **extra,
    }


def problem_response(error: Exception, context: dict[str, Any]) -> HttpResponse | None:
    """Translate what a view raised; None lets Django report it as an internal error (DRF's EXCEPTION_HANDLER)."""
    request = context["request"]._request
    failure_limits.record_failure(request, error, context["view"])
    return answer_to(request, error)


def answer_to(request: HttpRequest, error: Exception) -> HttpResponse | None:
    """Return the problem document that says what happened; None where it is an internal error."""
    translated = _translate(error)
    if translated is None:
        return None
    status, code, title, detail, extra, headers = translated
    body = problem(request, code, title, status=status, detail=detail, **extra)
    return json_response(body, status=status, headers=headers, content_type=PROBLEM_JSON)


Translated = tuple[int, str, str, str, dict[str, Any], dict[str, str]]


def _translate(error: Exception) -> Translated | None:
    for kind, translator in TRANSLATORS:
        if isinstance(error, kind):
            return translator(error)
    return None


def _of_refusal(refusal: refusals.Refusal) -> Translated:
    if isinstance(refusal, refusals.InvalidRequest):
        found = {"pointer": refusal.pointer, "code": refusal.error_code, "detail": refusal.detail}
        return 400, refusal.code, refusal.title, refusal.detail, {"errors": [found]}, {}
    if isinstance(refusal, REFUSED_CLAIMS):
        refusal_counts.refusals.add()
    headers = {}
    if isinstance(refusal, sales.SaleNotStarted):
        headers["Retry-After"] = str(refusal.retry_after_seconds)
    return STATUS_OF_REFUSAL[type(refusal)], refusal.code, refusal.title, refusal.detail, refusal.extra, headers


def _of_lost_commit(error: OutcomeUnknown) -> Translated:
    events.record("outcome_unknown", error=_first_line(error.__cause__ or error))
    return _unavailable("outcome_unknown", "Outcome unknown", "The connection was lost while committing.")


def _of_database(error: DatabaseError | InterfaceError) -> Translated | None:
    if not is_transient(error):
        return None
    _busy.record(reason="database", error=_first_line(error))
    return _unavailable("busy", "Busy", "The database did not answer in time; nothing was done.")


def _of_crowd(error: Busy) -> Translated:
    _busy.record(reason="overload")
    return _unavailable("busy", "Busy", str(error))


def _first_line(error: Exception) -> str:
    """Return what an error says without its details, which may hold values."""
    return str(error).strip().partition("\n")[0]


def _unavailable(code: str, title: str, detail: str) -> Translated:
    return 503, code, title, detail, {}, {"Retry-After": str(BUSY_RETRY_AFTER_SECONDS)}


def _of_validation(error: exceptions.ValidationError) -> Translated:
    found = list(_pointers(error.detail, "#"))
    return 400, *CODE_OF_STATUS[400], found[0]["detail"], {"errors": found}, {}


def _of_parsing(error: exceptions.ParseError) -> Translated:
    found = {"pointer": "#", "code": error.detail.code, "detail": str(error.detail)}
    return 400, *CODE_OF_STATUS[400], found["detail"], {"errors": [found]}, {}


def _of_framework(error: exceptions.APIException) -> Translated:
    return error.status_code, *_code_and_title(error.status_code), str(error.detail), {}, _headers_of(error)


def _headers_of(error: exceptions.APIException) -> dict[str, str]:
    headers = dict(getattr(error, "headers", {}))
    if getattr(error, "wait", None):
        headers["Retry-After"] = str(int(error.wait))
    if getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = error.auth_header
    return headers


def _pointers(detail: Any, pointer: str):
    """Flatten DRF's nested error details into (JSON pointer, code, text); RFC 6901 escapes in member names."""
    if isinstance(detail, dict):
        for name, inner in detail.items():
            is_whole = name == "non_field_errors"
            escaped = str(name).replace("~", "~0").replace("/", "~1")
            yield from _pointers(inner, pointer if is_whole else f"{pointer}/{escaped}")
    elif isinstance(detail, list):
        for inner in detail:
            yield from _pointers(inner, pointer)
    else:
        yield {"pointer": pointer, "code": detail.code, "detail": str(detail)}


def _code_and_title(status: int) -> tuple[str, str]:
    fallback = 500 if status >= 500 else 400
    return CODE_OF_STATUS.get(status, CODE_OF_STATUS[fallback])


def _type_uri(request: HttpRequest, code: str) -> str:
    path = _path_of_problem(code)
    try:
        return f"{request.scheme}://{request.get_host()}{path}"
    except DisallowedHost:
        return path


@functools.cache
def _path_of_problem(code: str) -> str:
    return reverse("problem", args=[code])


# The first that fits translates; what none can translate is an internal error.
TRANSLATORS: list[tuple[type[Exception] | tuple[type[Exception], ...], Callable[[Any], Translated | None]]] = [
    (refusals.Refusal, _of_refusal),
    (OutcomeUnknown, _of_lost_commit),
    (Busy, _of_crowd),
    ((DatabaseError, InterfaceError), _of_database),
    (exceptions.ValidationError, _of_validation),
    (exceptions.ParseError, _of_parsing),
    (Http404, lambda _: _of_framework(exceptions.NotFound())),
    (PermissionDenied, lambda _: _of_framework(exceptions.PermissionDenied())),
    (RequestDataTooBig, lambda _: _of_framework(PayloadTooLarge())),
    (exceptions.APIException, _of_framework),
]

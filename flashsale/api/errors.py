"""Errors as problem documents (RFC 9457): one translator for each kind of exception, one table of codes.

A view raises; `problem_response` finds the exception in `TRANSLATORS` and renders what `problem_codes` says about it.
"""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from django.core.exceptions import DisallowedHost, PermissionDenied, RequestDataTooBig
from django.db import DatabaseError, InterfaceError
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from rest_framework import exceptions

from flashsale.api import failure_limits, problem_codes
from flashsale.api.hosts import host_of
from flashsale.api.problem_rows import Problem
from flashsale.core import events, outages, refusals
from flashsale.core.rest.parsing import PayloadTooLarge
from flashsale.core.rest.views import json_response
from flashsale.core.transactions import Busy, OutcomeUnknown, is_transient

PROBLEM_JSON = "application/problem+json"
BUSY_RETRY_AFTER_SECONDS = 1

_busy = events.SampledEvent("request_busy")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """How one error is answered: its problem, and the detail, members and headers of this case."""

    problem: Problem
    detail: str = ""
    members: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)


def problem_response(error: Exception, context: dict[str, Any]) -> HttpResponse | None:
    """Answer what a view raised; None lets Django report it as an internal error (DRF's EXCEPTION_HANDLER)."""
    request = context["request"]._request
    failure_limits.mark_failed(request, error, context["view"])
    return answer_to(request, error)


def answer_to(request: HttpRequest, error: Exception) -> HttpResponse | None:
    """Return the problem document for an error; None where it is an internal error."""
    answer = _translate(error)
    if answer is None:
        return None
    status = getattr(error, "status_code", answer.problem.status)
    body = document(request, answer.problem, status=status, detail=answer.detail, **answer.members)
    return json_response(body, status=status, headers=answer.headers, content_type=PROBLEM_JSON)


def document(
    request: HttpRequest, problem: Problem, *, status: int | None = None, detail: str = "", **members: Any
) -> dict[str, Any]:
    """Return the members of a problem document; `status` where it is not the problem's own.

    Source: RFC 9457, section 3.1; `code`, `request_id` and `members` are extension members.
    """
    return {
        "type": _type_uri(request, problem.code),
        "title": problem.title,
        "status": int(status or problem.status),
        "detail": detail or problem.title,
        "code": problem.code,
        "request_id": getattr(request, "request_id", None),
        **members,
    }


def _translate(error: Exception) -> Answer | None:
    for kind, translator in TRANSLATORS:
        if isinstance(error, kind):
            return translator(error)
    return None


def _of_refusal(refusal: refusals.Refusal) -> Answer:
    problem = problem_codes.BY_REFUSAL[type(refusal)]
    wait_seconds = refusal.retry_after_seconds
    headers = {"Retry-After": str(wait_seconds)} if wait_seconds else {}
    return Answer(problem=problem, detail=refusal.detail, members=refusal.extra, headers=headers)


def _of_invalid_request(refusal: refusals.InvalidRequest) -> Answer:
    return _invalid([{"pointer": refusal.pointer, "code": refusal.error_code, "detail": refusal.detail}])


def _of_validation(error: exceptions.ValidationError) -> Answer:
    return _invalid(list(_faults(error.detail, "#")))


def _of_parsing(error: exceptions.ParseError) -> Answer:
    return _invalid([{"pointer": "#", "code": error.detail.code, "detail": str(error.detail)}])


def _invalid(faults: list[dict[str, str]]) -> Answer:
    problem = problem_codes.of_status(HTTPStatus.BAD_REQUEST)
    return Answer(problem=problem, detail=faults[0]["detail"], members={"errors": faults})


def _of_lost_commit(error: OutcomeUnknown) -> Answer:
    events.record("outcome_unknown", error=_first_line(error.__cause__ or error))
    return _unavailable("outcome_unknown", "The commit was not confirmed: it was done, or it was not.")


def _of_overload(error: Busy) -> Answer:
    _busy.record(reason="overload")
    return _unavailable("busy", str(error))


def _of_database(error: DatabaseError | InterfaceError) -> Answer | None:
    if not is_transient(error):
        return None
    _busy.record(reason="database", error=outages.sentence_of(error) or _first_line(error))
    return _unavailable("busy", "The database did not answer in time; nothing was done.")


def _first_line(error: BaseException) -> str:
    """Return what an error says without its details, which may hold values."""
    return str(error).strip().partition("\n")[0]


def _unavailable(code: str, detail: str) -> Answer:
    headers = {"Retry-After": str(BUSY_RETRY_AFTER_SECONDS)}
    return Answer(problem=problem_codes.BY_CODE[code], detail=detail, headers=headers)


def _of_framework(error: exceptions.APIException) -> Answer:
    problem = problem_codes.of_status(error.status_code)
    return Answer(problem=problem, detail=str(error.detail), headers=_headers_of(error))


def _headers_of(error: exceptions.APIException) -> dict[str, str]:
    headers = dict(getattr(error, "headers", {}))
    if getattr(error, "wait", None):
        headers["Retry-After"] = str(int(error.wait))
    if getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = error.auth_header
    return headers


def _faults(detail: Any, pointer: str) -> Iterator[dict[str, str]]:
    """Flatten DRF's nested error details into pointer, code and text.

    Source of the escapes in member names: RFC 6901, section 3.
    """
    if isinstance(detail, dict):
        for name, inner in detail.items():
            # Further down it is the name of a member that the client chose.
            is_about_object = name == "non_field_errors" and pointer == "#"
            escaped = str(name).replace("~", "~0").replace("/", "~1")
            yield from _faults(inner, pointer if is_about_object else f"{pointer}/{escaped}")
    elif isinstance(detail, list):
        for inner in detail:
            yield from _faults(inner, pointer)
    else:
        yield {"pointer": pointer, "code": detail.code, "detail": str(detail)}


def _type_uri(request: HttpRequest, code: str) -> str:
    path = _path_of_page(code)
    try:
        return f"{request.scheme}://{host_of(request)}{path}"
    except DisallowedHost:
        return path


@functools.cache
def _path_of_page(code: str) -> str:
    return reverse("problem", args=[code])


# The first entry that matches translates; an exception without one is an internal error.
TRANSLATORS: list[tuple[type[Exception] | tuple[type[Exception], ...], Callable[[Any], Answer | None]]] = [
    (refusals.InvalidRequest, _of_invalid_request),
    (refusals.Refusal, _of_refusal),
    (OutcomeUnknown, _of_lost_commit),
    (Busy, _of_overload),
    ((DatabaseError, InterfaceError), _of_database),
    (exceptions.ValidationError, _of_validation),
    (exceptions.ParseError, _of_parsing),
    (Http404, lambda _: _of_framework(exceptions.NotFound())),
    (PermissionDenied, lambda _: _of_framework(exceptions.PermissionDenied())),
    (RequestDataTooBig, lambda _: _of_framework(PayloadTooLarge())),
    (exceptions.APIException, _of_framework),
]

"""Error pages outside the API, rendered once: requests of scanners cost little.

Django's own views look for templates in every request, and the `TemplateDoesNotExist` keeps the request in memory.
"""

import sys
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from flashsale.core import events, outages
from flashsale.core.rest.conditional import RenderedBody, RenderOnce
from flashsale.core.transactions import is_transient

TEXTS = {
    HTTPStatus.BAD_REQUEST: "The request is malformed.",
    HTTPStatus.FORBIDDEN: "This is not allowed. If you sent a form: go back, reload the page, and send it again, with"
    " cookies switched on.",
    HTTPStatus.NOT_FOUND: "There is no such page.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "Something went wrong. The error was logged.",
    HTTPStatus.SERVICE_UNAVAILABLE: "The database did not answer in time. Please try again in a moment.",
}
RETRY_AFTER_SECONDS = 2

_busy = events.SampledEvent("request_busy")


def _page(status: HTTPStatus) -> RenderedBody:
    text = render_to_string("flashsale/error.html", {"title": status.phrase, "text": TEXTS[status]})
    return RenderedBody.of(text.encode(), "text/html; charset=utf-8")


_pages: RenderOnce[HTTPStatus] = RenderOnce(_page)


def _handler(status: HTTPStatus) -> Callable[..., HttpResponse]:
    def answer(request: HttpRequest, exception: Exception | None = None, **_: Any) -> HttpResponse:
        page = _pages.get(status)
        return HttpResponse(page.body, status=status, content_type=page.content_type)

    return answer


bad_request = _handler(HTTPStatus.BAD_REQUEST)
forbidden = _handler(HTTPStatus.FORBIDDEN)
not_found = _handler(HTTPStatus.NOT_FOUND)
_failed = _handler(HTTPStatus.INTERNAL_SERVER_ERROR)
_unavailable = _handler(HTTPStatus.SERVICE_UNAVAILABLE)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer what a view or middleware raised: 503 where the database was busy or away, else 500."""
    error = sys.exception()
    if not isinstance(error, (DatabaseError, InterfaceError)) or not is_transient(error):
        return _failed(request)
    _busy.record(reason="database", error=outages.sentence_of(error) or str(error).partition("\n")[0])
    response = _unavailable(request)
    response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    response.headers["Cache-Control"] = "no-store"
    return response


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer a form that was sent without its CSRF token (Django's CSRF_FAILURE_VIEW)."""
    return forbidden(request)

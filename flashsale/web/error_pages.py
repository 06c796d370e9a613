"""Error pages outside the API, rendered once: requests of scanners cost little.

Django's own views look for templates in every request, and the `TemplateDoesNotExist` keeps the request in memory.
"""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from flashsale.core.rest.conditional import RenderedBody, RenderOnce

TEXTS = {
    HTTPStatus.BAD_REQUEST: "The request is malformed.",
    HTTPStatus.FORBIDDEN: "This is not allowed. If you sent a form: go back, reload the page, and send it again, with"
    " cookies switched on.",
    HTTPStatus.NOT_FOUND: "There is no such page.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "Something went wrong. The error was logged.",
}


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
server_error = _handler(HTTPStatus.INTERNAL_SERVER_ERROR)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer a form that was sent without its CSRF token (Django's CSRF_FAILURE_VIEW)."""
    return forbidden(request)

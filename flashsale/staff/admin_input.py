"""Input of the admin that no form validates: a value that the database refuses gets a page with 400 or 409, not 500."""

import logging
from collections.abc import Callable, Iterable
from typing import Any

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db import DataError, IntegrityError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from flashsale.core import strict_json

PREFIX = "/admin/"
HAS_NUL = "The address or the form contains a character that cannot be stored or looked up (NUL)."
BAD_VALUE = "A value in the address or in the form cannot be stored or looked up here."
CONFLICT = "This does not go together with what is stored."

logger = logging.getLogger(__name__)


class AdminInputMiddleware:
    """Middleware: answer 400 for values that cannot be stored, 409 for a change that violates a constraint.

    Lists use the query string, and actions the posted ids, without validating them by a form field.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *_: Any) -> HttpResponse | None:
        """Answer 400 for text with NUL where no form field validates it."""
        if not request.path_info.startswith(PREFIX) or all(map(strict_json.is_storable, _unchecked_texts(request))):
            return None
        return _page(request, 400, HAS_NUL)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answer an error of the database; by then the transaction is rolled back."""
        if not request.path_info.startswith(PREFIX) or not isinstance(exception, (DataError, IntegrityError)):
            return None
        logger.warning("the database refused %s %s", request.method, request.path_info, exc_info=exception)
        if isinstance(exception, DataError):
            return _page(request, 400, BAD_VALUE)
        return _page(request, 409, CONFLICT)


def _unchecked_texts(request: HttpRequest) -> Iterable[str]:
    yield request.path_info
    for name, values in request.GET.lists():
        yield name
        yield from values
    if request.method == "POST":
        yield from request.POST.getlist(ACTION_CHECKBOX_NAME)


def _page(request: HttpRequest, status: int, what: str) -> HttpResponse:
    return render(request, "flashsale/input_refused.html", {"status": status, "what": what}, status=status)

"""What every request under `/api` passes: one function from request to response, instead of the site's middleware.

Pages need sessions, forms, messages and static files; the API needs none of them. Here each check is made once and each
header is set once: request id, trace, limits of failures, HTTPS, host, problem document, headers, duration.
"""

import functools
import time
from collections.abc import Callable
from http import HTTPStatus

import structlog
from corsheaders.middleware import CorsMiddleware
from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.core.handlers.exception import response_for_exception
from django.http import HttpRequest, HttpResponse
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.security import SecurityMiddleware
from django.urls import ResolverMatch, get_resolver
from django.utils.cache import patch_vary_headers
from rest_framework import exceptions

from flashsale.api import failure_limits, problem_codes, rate_limits
from flashsale.api.errors import PROBLEM_JSON, answer_to, document
from flashsale.api.hosts import host_of
from flashsale.api.middleware import new_request_id
from flashsale.core import tracing
from flashsale.core.refusals import InvalidRequest
from flashsale.core.rest.views import json_response
from flashsale.observability import prometheus
from flashsale.web import content_security

UNKNOWN_HOST = InvalidRequest("No host of this name is served here.", pointer="#header/Host", error_code="unknown_host")
MAX_REMEMBERED_PATHS = 1_024
MAX_REMEMBERED_PATH_LENGTH = 128


class ApiHandler:
    """Answers requests under `/api`. The settings of transport security are read when it is made."""

    def __init__(self) -> None:
        self._cors = CorsMiddleware(self._respond)
        self._security = SecurityMiddleware(lambda _request: HttpResponse())
        self._security_headers = {is_secure: self._headers_of(is_secure=is_secure) for is_secure in (False, True)}

    def answers(self, path: str) -> bool:
        """Say whether a path is under `/api`."""
        return path.startswith("/api/") or path == "/api"

    def get_response(self, request: HttpRequest) -> HttpResponse:
        """Answer a request, an error by a problem document; needs no thread of its own."""
        started = time.perf_counter()
        # The CORS middleware has nothing to do for other requests than these.
        is_cross_origin = "HTTP_ORIGIN" in request.META or request.method == "OPTIONS"
        response = self._cors(request) if is_cross_origin else self._respond(request)
        prometheus.observe_request(request, response, seconds=time.perf_counter() - started)
        return response

    def _respond(self, request: HttpRequest) -> HttpResponse:
        request.request_id = new_request_id(request)
        bound = structlog.contextvars.bind_contextvars(request_id=request.request_id)
        tracing.begin(request.request_id, request.META.get("HTTP_TRACEPARENT"))
        try:
            response = self._answer(request)
        except Exception as error:
            response = response_for_exception(request, error)
            if isinstance(error, DisallowedHost):
                response = answer_to(request, UNKNOWN_HOST)
        finally:
            tracing.end(request.request_id)
            structlog.contextvars.reset_contextvars(**bound)
        if response.status_code >= HTTPStatus.BAD_REQUEST and response.headers.get("Content-Type") != PROBLEM_JSON:
            response = _as_problem(request, response.status_code)
        self._add_headers(request, response)
        return response

    def _answer(self, request: HttpRequest) -> HttpResponse:
        """Run the view; a request that failed, or may fail as others of its address did, is counted and limited."""
        penalty_seconds = failure_limits.penalty_seconds(request)
        if penalty_seconds:
            response = failure_limits.answer_in_turn(request, self._run_view)
        else:
            response = self._run_view(request)
        if response is not None and not hasattr(request, "failure"):
            failure_limits.remember_accepted_token(request)
            return response
        seconds = penalty_seconds or failure_limits.count_failure(request)
        return answer_to(request, exceptions.Throttled(wait=seconds)) if seconds else response

    def _run_view(self, request: HttpRequest) -> HttpResponse:
        redirect = self._security.process_request(request) if self._security.redirect else None
        if redirect is not None:
            return redirect
        host_of(request)
        match = request.resolver_match = _match(request.path_info)
        return match.func(request, *match.args, **match.kwargs)

    def _add_headers(self, request: HttpRequest, response: HttpResponse) -> None:
        """Add the headers of every response; a header that the view has set stays.

        Those that are the same each time are added without Django's checks of names and values.
        """
        headers = response.headers._store
        rate_limits.add_headers(request, response)
        is_page = response.headers.get("Content-Type", "").startswith("text/html")
        for name, header in self._security_headers[request.is_secure()].items():
            headers.setdefault(name, header)
        headers.setdefault("content-security-policy", _PAGE_POLICY if is_page else _API_POLICY)
        headers.setdefault("content-length", ("Content-Length", str(len(response.content))))
        headers["x-request-id"] = ("X-Request-ID", request.request_id)
        # What `CORS_URLS_REGEX` matches.
        if request.path_info != "/api" and headers.setdefault("vary", _VARY_ORIGIN) is not _VARY_ORIGIN:
            patch_vary_headers(response, ("origin",))

    def _headers_of(self, *, is_secure: bool) -> dict[str, tuple[str, str]]:
        """Return the headers that Django's middleware for security sets, by lower-case name."""
        request, response = HttpRequest(), HttpResponse()
        request._get_scheme = lambda: "https" if is_secure else "http"
        response.headers._store.clear()
        self._security.process_response(request, response)
        XFrameOptionsMiddleware(lambda _request: response).process_response(request, response)
        return dict(response.headers._store)


class ApiMiddleware:
    """Middleware, the first: hand requests under `/api` to an `ApiHandler`, past the rest of the site's middleware."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self._api = ApiHandler()

    def __call__(self, request: HttpRequest) -> HttpResponse:
        is_api = self._api.answers(request.path_info)
        return self._api.get_response(request) if is_api else self.get_response(request)


_API_POLICY = ("Content-Security-Policy", content_security.API)
_PAGE_POLICY = ("Content-Security-Policy", content_security.PAGES)
_VARY_ORIGIN = ("Vary", "origin")


def _match(path: str) -> ResolverMatch:
    is_short = len(path) <= MAX_REMEMBERED_PATH_LENGTH
    return _remembered_match(settings.ROOT_URLCONF, path) if is_short else get_resolver().resolve(path)


@functools.lru_cache(maxsize=MAX_REMEMBERED_PATHS)
def _remembered_match(urlconf: str, path: str) -> ResolverMatch:
    """Return the view of a path, for paths of popular products and those without an id found only once."""
    return get_resolver(urlconf).resolve(path)


def _as_problem(request: HttpRequest, status: int) -> HttpResponse:
    """Return the problem document for a status, instead of Django's own page or text."""
    problem = problem_codes.of_status(status)
    fault = {"pointer": "#", "code": problem.code, "detail": problem.title}
    members = {"errors": [fault]} if status == HTTPStatus.BAD_REQUEST else {}
    body = document(request, problem, status=status, **members)
    return json_response(body, status=status, content_type=PROBLEM_JSON)

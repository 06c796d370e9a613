"""The API's middleware: request ids, problem documents for every error, limits of failures, rate limit headers.

Every response passes them, also those of Django's own middleware.
"""

import random
import re
import time
from collections.abc import Callable
from http import HTTPStatus

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from rest_framework import exceptions

from flashsale.api import failure_limits, problem_codes
from flashsale.api.errors import PROBLEM_JSON, answer_to, document
from flashsale.api.rate_limits import QuotaState
from flashsale.core.transactions import Busy

REQUEST_ID = re.compile(r"[0-9a-f]{32}")


class ProblemMiddleware:
    """Middleware: give each request an id, and answer every error under `/api` as a problem document."""

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
            response = _as_problem(request, response.status_code)
        response.headers["X-Request-ID"] = request.request_id
        return response


class RateLimitHeadersMiddleware:
    """Middleware: add the state of the quota in which this request was counted, as `RateLimit` headers."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        state: QuotaState | None = getattr(request, "rate_limit", None)
        for name, value in (state.headers if state else {}).items():
            response.headers[name] = value
        return response


class FailureLimitsMiddleware:
    """Middleware: count failed requests by address, and process requests of penalized addresses one at a time."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        seconds = failure_limits.penalty_seconds(request)
        response = self._of_penalized(request) if seconds else self.get_response(request)
        if response is not None and not hasattr(request, "failure"):
            failure_limits.remember_accepted_token(request)
            return response
        seconds = seconds or failure_limits.count_failure(request)
        return answer_to(request, exceptions.Throttled(wait=seconds)) if seconds else response

    def _of_penalized(self, request: HttpRequest) -> HttpResponse | None:
        """Return the answer; None when too many penalized requests wait already."""
        try:
            with failure_limits.penalized_requests.entered():
                response = self.get_response(request)
                if hasattr(request, "failure"):
                    # The next penalized request waits meanwhile, so that a flood takes little processor time.
                    time.sleep(failure_limits.PENALTY_PAUSE_SECONDS)
                return response
        except Busy:
            time.sleep(failure_limits.QUEUE_FULL_PAUSE_SECONDS)
            return None


def _id_of(request: HttpRequest) -> str:
    """Return the id that our own proxy gave the request, so that its log and ours agree, or else a new one."""
    proxy_id = request.headers.get("X-Request-ID", "") if settings.TRUSTED_PROXIES else ""
    return proxy_id if REQUEST_ID.fullmatch(proxy_id) else f"{random.getrandbits(128):032x}"


def _as_problem(request: HttpRequest, status: int) -> HttpResponse:
    """Return the problem document for a status, instead of Django's own page or text."""
    problem = problem_codes.of_status(status)
    fault = {"pointer": "#", "code": problem.code, "detail": problem.title}
    members = {"errors": [fault]} if status == HTTPStatus.BAD_REQUEST else {}
    body = document(request, problem, status=status, **members)
    return JsonResponse(body, status=status, content_type=PROBLEM_JSON)

"""How long staff stay logged in: to the end of an idle time, and never longer than a working day.

The times stand in the session itself. It is written at the log-in and then at most once in
`SEEN_AGAIN_SECONDS`; requests of pages that refresh themselves do not count as activity.
"""

import time
from collections.abc import Callable
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.contrib.auth import SESSION_KEY, logout
from django.contrib.sessions.models import Session
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from flashsale.core import clock
from flashsale.core.transactions import retrying_transaction

STARTED_AT, SEEN_AT = "started_at", "seen_at"
SEEN_AGAIN_SECONDS = 60
REFRESH_THEMSELVES = frozenset({"admin:live"})
PURGE_BATCH_ROWS = 5_000


class StaffSessionsMiddleware:
    """Middleware: end sessions whose time is over, and let htmx show the log-in as a page of its own."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        is_htmx = "HX-Request" in request.headers
        if is_htmx and response.status_code == 302 and response.url.startswith(reverse("admin:login")):
            return _as_page(request)
        return response

    def process_view(self, request: HttpRequest, *_) -> None:
        """End an expired session before the view runs."""
        if request.path_info.startswith("/admin/") and SESSION_KEY in request.session:
            _look_at(request)


def begin(sender: object, request: HttpRequest, **_) -> None:
    """Start the times anew (a `user_logged_in` receiver)."""
    request.session[STARTED_AT] = request.session[SEEN_AT] = int(time.time())


@retrying_transaction
def purge(*, limit: int = PURGE_BATCH_ROWS) -> int:
    """Delete at most `limit` sessions that expired; return how many."""
    expired = Session.objects.filter(expire_date__lt=clock.now()).order_by("expire_date")
    deleted, _ = Session.objects.filter(pk__in=list(expired.values_list("pk", flat=True)[:limit])).delete()
    return deleted


def _look_at(request: HttpRequest) -> None:
    session, now = request.session, int(time.time())
    if STARTED_AT not in session or SEEN_AT not in session:
        # Begun by a version before this one.
        begin(None, request)
    longest, idle = settings.SESSION_COOKIE_AGE, settings.STAFF_IDLE_MINUTES * 60
    # What was seen may be as old as the time between two writes.
    if now - session[STARTED_AT] > longest or now - session[SEEN_AT] > idle + SEEN_AGAIN_SECONDS:
        logout(request)
    elif now - session[SEEN_AT] >= SEEN_AGAIN_SECONDS and request.resolver_match.view_name not in REFRESH_THEMSELVES:
        session[SEEN_AT] = now


def _as_page(request: HttpRequest) -> HttpResponse:
    """Let the browser leave the page for the log-in, and come back; htmx would show the form inside of the page."""
    here = urlsplit(request.headers.get("HX-Current-URL", "")).path or reverse("admin:index")
    return HttpResponse(status=204, headers={"HX-Redirect": f"{reverse('admin:login')}?{urlencode({'next': here})}"})

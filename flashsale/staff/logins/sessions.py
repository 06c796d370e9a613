"""How long staff stay logged in: until an idle time has passed, and at most for a working day.

Both times are kept in the session, which is written at the log-in and then at most once in `TOUCH_INTERVAL_SECONDS`.
Requests that a page sends by itself do not count as activity.
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
TOUCH_INTERVAL_SECONDS = 60
POLLED_VIEWS = frozenset({"admin:live"})
PURGE_BATCH_ROWS = 5_000


class StaffSessionsMiddleware:
    """Middleware: end expired sessions, and let htmx load the log-in as a whole page."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        is_htmx = "HX-Request" in request.headers
        if is_htmx and response.status_code == 302 and response.url.startswith(reverse("admin:login")):
            return _redirect_whole_page(request)
        return response

    def process_view(self, request: HttpRequest, *_) -> None:
        """End an expired session before the view runs."""
        if request.path_info.startswith("/admin/") and SESSION_KEY in request.session:
            _end_if_expired(request)


def start_timers(sender: object, request: HttpRequest, **_) -> None:
    """Set both times of the session to now (a `user_logged_in` receiver)."""
    request.session[STARTED_AT] = request.session[SEEN_AT] = int(time.time())


@retrying_transaction
def purge(*, limit: int = PURGE_BATCH_ROWS) -> int:
    """Delete at most `limit` expired sessions; return how many."""
    expired = Session.objects.filter(expire_date__lt=clock.now()).order_by("expire_date")
    deleted, _ = Session.objects.filter(pk__in=list(expired.values_list("pk", flat=True)[:limit])).delete()
    return deleted


def _end_if_expired(request: HttpRequest) -> None:
    session, now = request.session, int(time.time())
    if STARTED_AT not in session or SEEN_AT not in session:
        # A session of a version that did not keep the times.
        start_timers(None, request)
    max_seconds, idle_seconds = settings.SESSION_COOKIE_AGE, settings.STAFF_IDLE_MINUTES * 60
    # `SEEN_AT` is written at most once per interval, so it may be that much too old.
    if now - session[STARTED_AT] > max_seconds or now - session[SEEN_AT] > idle_seconds + TOUCH_INTERVAL_SECONDS:
        logout(request)
    elif now - session[SEEN_AT] >= TOUCH_INTERVAL_SECONDS and request.resolver_match.view_name not in POLLED_VIEWS:
        session[SEEN_AT] = now


def _redirect_whole_page(request: HttpRequest) -> HttpResponse:
    """Redirect the whole page to the log-in and back; htmx would show a redirect's form inside the page."""
    page = urlsplit(request.headers.get("HX-Current-URL", "")).path or reverse("admin:index")
    return HttpResponse(status=204, headers={"HX-Redirect": f"{reverse('admin:login')}?{urlencode({'next': page})}"})

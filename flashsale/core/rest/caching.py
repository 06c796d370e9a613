"""Answers that caches may keep for a second: many clients ask for the same, and the application answers once."""

from http import HTTPStatus

from rest_framework.request import Request
from rest_framework.response import Response

# How much longer nginx may serve a page while it fetches a newer one.
STALE_SECONDS = 2


def keep_for_a_second(request: Request, response: Response, *, is_public: bool) -> None:
    """Let caches keep a successful answer for a second; shared caches only where it is public."""
    if response.status_code not in (HTTPStatus.OK, HTTPStatus.NOT_MODIFIED):
        return
    visibility = "public" if is_public else "private"
    response.headers["Cache-Control"] = f"{visibility}, max-age=1"
    # nginx (deploy/nginx.conf) asks to keep the page until the end of this second of its own clock: it would keep one
    # with max-age=1 for up to two seconds. Clients see neither that nor `stale-while-revalidate`.
    keep_until = request.META.get("HTTP_X_KEEP_UNTIL", "")
    if is_public and keep_until.isdecimal():
        response.headers["Cache-Control"] += f", stale-while-revalidate={STALE_SECONDS}"
        response.headers["X-Accel-Expires"] = f"@{keep_until}"

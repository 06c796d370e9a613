"""Device cookies: a signed cookie exempts a browser that was used to log in from the limit of unknown browsers.

The cookie does not authenticate; password and code are still needed. Log-ins with it are counted for the browser
instead of its address, and outside the limit of all unknown browsers together.

Source: OWASP, "Slow Down Online Guessing Attacks with Device Cookies".
"""

import secrets
from datetime import timedelta

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import salted_hmac

COOKIE = "known_browser"
PATH = "/admin/login/"
MAX_AGE = timedelta(days=180)
_SALT = "flashsale.staff.logins.known_browsers"


def remember(response: HttpResponse, *, name: str) -> None:
    """Give a browser a new cookie after a successful log-in as `name`."""
    value = signing.dumps([secrets.token_hex(8), _owners(name)[0]], salt=_SALT)
    response.set_cookie(
        COOKIE, value, max_age=MAX_AGE, path=PATH, secure=settings.SESSION_COOKIE_SECURE, httponly=True, samesite="Lax"
    )


def browser_of(request: HttpRequest, *, name: str | None = None) -> str | None:
    """Return the id of a known browser; with `name`, only if that name logged in with it. None for unknown ones."""
    try:
        browser, owner = signing.loads(request.COOKIES.get(COOKIE, ""), salt=_SALT, max_age=MAX_AGE)
    except (signing.BadSignature, ValueError, TypeError):
        return None
    return browser if name is None or owner in _owners(name) else None


def _owners(name: str) -> list[str]:
    """Return how cookies call a name: with the present key, the first, and with each of the former ones."""
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return [salted_hmac(_SALT, name, secret=key, algorithm="sha256").hexdigest()[:32] for key in keys]

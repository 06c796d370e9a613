"""How the admin's theme (django-unfold) is set up: names, styles, the menu, the search, and the account menu."""

from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy

STYLES = ("flashsale/admin.css", "flashsale/staff.css")
SCRIPTS = ("flashsale/staff.js",)


def _url_of(path: str) -> Any:
    """Return what tells the theme the URL of a static file; it is known only once the apps are loaded."""

    def url(_request: HttpRequest) -> str:
        return static(path)

    return url


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Flash sale",
    "SITE_HEADER": "Flash sale",
    "SITE_SYMBOL": "bolt",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": _url_of("flashsale/icon.svg")}],
    "SHOW_VIEW_ON_SITE": False,
    # No link to a site: "/" leads back to the admin, and the API's description may need a token.
    "SITE_URL": None,
    "LOGIN": {"form": "flashsale.staff.logins.forms.LogInForm"},
    "DASHBOARD_CALLBACK": "flashsale.staff.dashboard.dashboard_callback",
    "STYLES": [_url_of(path) for path in STYLES],
    "SCRIPTS": [_url_of(path) for path in SCRIPTS],
    "SIDEBAR": {
        "show_search": True,
        "command_search": True,
        "show_all_applications": False,
        "navigation": "flashsale.staff.menu.groups",
    },
    "ACCOUNT": {
        "navigation": [
            {"title": "Change password", "link": reverse_lazy("admin:password_change")},
            {"title": "Two-factor log-in", "link": reverse_lazy("admin:two_factor")},
        ]
    },
}

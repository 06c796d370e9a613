"""The admin site: log-in, password change, search, and the first page (`flashsale.staff.dashboard`)."""

from typing import Any
from urllib.parse import urlsplit

from django.contrib import messages
from django.contrib.auth.views import PasswordChangeView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from unfold.sites import UnfoldAdminSite

from flashsale.core import events
from flashsale.core.rest.client_address import address_of
from flashsale.staff import dashboard, menu, names
from flashsale.staff.logins import known_browsers, limits
from flashsale.staff.logins.forms import OwnPasswordForm
from flashsale.staff.search import page as search_page
from flashsale.staff.two_factor import page as two_factor_page


class SaleAdminSite(UnfoldAdminSite):
    """The theme's site with a first page that refreshes itself from `live/`."""

    site_header = site_title = "Flash sale"
    index_title = "The sale now"
    login_template = "flashsale/log_in.html"
    index_template = "flashsale/admin_index.html"

    def extra_urls(self) -> list[URLPattern]:
        return [
            path("live/", self.admin_view(self.live), name="live"),
            path("two-factor/", self.admin_view(self.two_factor), name="two_factor"),
        ]

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[dict[str, Any]]:
        """Return the parts of the menu with the models that the member of staff may use; one part for an app."""
        wanted = names.APPS.get(app_label, "") if app_label else None
        models: dict[str, list[dict[str, Any]]] = {name: [] for name in menu.PARTS}
        for app in super().get_app_list(request):
            models[names.APPS.get(app["app_label"], names.SYSTEM)] += app["models"]
        parts = [name for name in menu.PARTS if models[name] and wanted in (None, name)]
        return [
            {
                "name": name,
                "app_label": _an_app_of(name),
                "app_url": reverse("admin:app_list", args=[_an_app_of(name)]),
                "has_module_perms": True,
                "models": sorted(models[name], key=lambda model: menu.place_of(model["model"])),
            }
            for name in parts
        ]

    def app_index(
        self, request: HttpRequest, app_label: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the part of the menu that an app belongs to."""
        title = {"title": names.APPS.get(app_label, ""), "content_title": names.APPS.get(app_label, "")}
        return super().app_index(request, app_label, title | (extra_context or {}))

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Log in. Raises what `flashsale.staff.refusals` answers: `TooManyLogins`, `NameLocked`, `HashingBusy`."""
        if request.method == "POST":
            limits.count_login(request)
        response = super().login(request, extra_context)
        if request.method == "POST" and response.status_code == 302:
            name = request.user.get_username()
            known_browsers.remember(response, name=name)
            events.record("login_succeeded", account=name, address=address_of(request))
            if urlsplit(response.url).path in (reverse("admin:login"), reverse("admin:logout")):
                # `next` was the log-in page, which would redirect again, or the log-out, which refuses GET.
                response.headers["Location"] = reverse("admin:index")
        return response

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Log out and say so on the log-in page. Following a link here does not log out: it leads to the first page."""
        if request.method != "POST":
            return redirect("admin:index")
        response = super().logout(request, extra_context)
        messages.success(request, "You are logged out.")
        return response

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Change one's own password, on the theme's page with `OwnPasswordForm`."""
        request.current_app = self.name
        return PasswordChangeView.as_view(
            form_class=OwnPasswordForm,
            success_url=reverse("admin:password_change_done"),
            template_name=self.password_change_template or "registration/password_change_form.html",
            extra_context={**self.each_context(request), **(extra_context or {})},
        )(request)

    def two_factor(self, request: HttpRequest) -> HttpResponse:
        """Let members of staff set up and remove their own authenticator app. Raises `NameLocked`, `HashingBusy`."""
        request.current_app = self.name
        return two_factor_page.answer(request, self.each_context(request))

    def search(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Answer the search of the side bar (`flashsale.staff.search`) instead of the theme's."""
        return search_page.answer(request)

    def live(self, request: HttpRequest) -> HttpResponse:
        """Answer the part of the page that refreshes itself."""
        return TemplateResponse(request, "flashsale/live.html", dashboard.figures(request.user))


def _an_app_of(part: str) -> str:
    return next(label for label, name in names.APPS.items() if name == part)

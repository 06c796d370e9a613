"""The admin site: log-in, password change, search, and the first page (`flashsale.staff.dashboard`)."""

from typing import Any
from urllib.parse import urlsplit

from django.contrib.auth.views import PasswordChangeView
from django.core.paginator import InvalidPage
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from unfold.sites import UnfoldAdminSite

from flashsale.core import events
from flashsale.core.rest.client_address import address_of
from flashsale.staff import dashboard
from flashsale.staff.logins import known_browsers, limits
from flashsale.staff.logins.forms import OwnPasswordForm


class SaleAdminSite(UnfoldAdminSite):
    """The theme's site with a first page that refreshes itself from `live/`."""

    site_header = site_title = "Flash sale"
    index_title = "The sale now"
    login_template = "flashsale/sign_in.html"
    index_template = "flashsale/admin_index.html"

    def extra_urls(self) -> list[URLPattern]:
        return [path("live/", self.admin_view(self.live), name="live")]

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

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Change one's own password, on the theme's page with `OwnPasswordForm`."""
        request.current_app = self.name
        return PasswordChangeView.as_view(
            form_class=OwnPasswordForm,
            success_url=reverse("admin:password_change_done"),
            template_name=self.password_change_template or "registration/password_change_form.html",
            extra_context={**self.each_context(request), **(extra_context or {})},
        )(request)

    def search(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Answer the theme's search; a page number that does not exist is 404."""
        try:
            return super().search(request, extra_context)
        except InvalidPage as error:
            raise Http404 from error

    def live(self, request: HttpRequest) -> HttpResponse:
        """Answer the part of the page that refreshes itself."""
        return TemplateResponse(request, "flashsale/live.html", dashboard.figures(request.user))

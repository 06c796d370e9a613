"""The admin's site: its first page shows live numbers (`flashsale.dashboard`)."""

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from unfold.sites import UnfoldAdminSite

from flashsale import dashboard


class SaleAdminSite(UnfoldAdminSite):
    """The theme's site with a first page of our own, which refreshes itself from `live/`."""

    site_header = site_title = "Flash sale"
    index_title = "The sale now"
    login_template = "flashsale/sign_in.html"
    index_template = "flashsale/admin_index.html"

    def extra_urls(self) -> list[URLPattern]:
        return [path("live/", self.admin_view(self.live), name="live")]

    def live(self, request: HttpRequest) -> HttpResponse:
        """Answer the part of the page that refreshes itself."""
        return TemplateResponse(request, "flashsale/live.html", dashboard.numbers())

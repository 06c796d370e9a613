"""URLs of the API (the same under /api/v1 and /api), the admin and `/`; probes: `flashsale.observability.health`."""

from django.contrib import admin
from django.urls import include, path, re_path
from django.views.generic import RedirectView

import catalog.urls
import checkout.urls
import checkout.waiting_room.urls
import flashsale.outbox.urls
import payments.urls
from flashsale.api.index import ApiIndexView, ApiNotFoundView
from flashsale.api.openapi.document import BackofficeDocsView, BackofficeSchemaView, DocsView, SchemaView
from flashsale.api.problem_pages import problem_list, problem_page

handler400 = "flashsale.web.error_pages.bad_request"
handler403 = "flashsale.web.error_pages.forbidden"
handler404 = "flashsale.web.error_pages.not_found"
handler500 = "flashsale.web.error_pages.server_error"

api = [
    *catalog.urls.urlpatterns,
    *checkout.urls.urlpatterns,
    *checkout.waiting_room.urls.urlpatterns,
    *payments.urls.urlpatterns,
    *flashsale.outbox.urls.urlpatterns,
    re_path(r"^schema/?$", SchemaView.as_view(), name="schema"),
    re_path(r"^docs/?$", DocsView.as_view(), name="docs"),
    re_path(r"^backoffice/schema/?$", BackofficeSchemaView.as_view(), name="backoffice-schema"),
    re_path(r"^backoffice/docs/?$", BackofficeDocsView.as_view(), name="backoffice-docs"),
]

urlpatterns = [
    # Paths are tried in this order, so the busiest come first. Links use the names of the first mount.
    path("api/v1/", include(api)),
    path("api/", include((api, "unversioned"))),
    re_path(r"^api/v1/?$", ApiIndexView.as_view(), name="api-index"),
    re_path(r"^api/?$", ApiIndexView.as_view()),
    re_path(r"^api(/.*)?$", ApiNotFoundView.as_view()),
    re_path(r"^docs/?$", RedirectView.as_view(pattern_name="docs")),
    path("problems/", problem_list, name="problem-list"),
    path("problems/<slug:code>", problem_page, name="problem"),
    path("admin/", admin.site.urls),
    path("", include("flashsale.demo_shop.urls")),
]

"""CSV exports of the admin's lists: the chosen rows, or all that match."""

import re
from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.text import slugify

from flashsale.core.staff.csv_export import Export
from flashsale.core.staff.theme import ModelAdminMixin

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def _days_of(request: HttpRequest) -> list[str]:
    """Return the days between which the list is filtered, for a file's name: ["from-2030-01-01", "to-2030-01-31"]."""
    days = ((name, request.GET[name]) for name in request.GET if name.endswith(("_from_0", "_to_0")))
    return [f"{name.removesuffix('_0').rpartition('_')[2]}-{day}" for name, day in days if _DAY.fullmatch(day)]


class CsvExportMixin(ModelAdminMixin):
    """A list that can be exported; `export` declares the columns of the file, and without one there is no file."""

    export: Export | None = None
    list_before_template = "flashsale/export_all.html"

    @admin.action(description="Export as CSV", permissions=["view"])
    def export_csv(self, request: HttpRequest, queryset: QuerySet[Any]) -> StreamingHttpResponse:
        """Stream the chosen rows, however many they are, as a file named after the list and the date.

        Raises `Http404` for a list that is not exported.
        """
        if self.export is None:
            raise Http404
        response = StreamingHttpResponse(self.export.lines(queryset), content_type="text/csv; charset=utf-8")
        parts = [slugify(str(self.opts.verbose_name_plural)), *_days_of(request), timezone.localdate().isoformat()]
        response.headers["Content-Disposition"] = f'attachment; filename="{"-".join(parts)}.csv"'
        return response

    def export_all(self, request: HttpRequest) -> HttpResponseBase:
        """Stream all rows that match the list's filters and search in the query string."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            matching = self.get_changelist_instance(request).get_queryset(request)
        except IncorrectLookupParameters:
            return redirect(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")
        return self.export_csv(request, matching)

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_export"
        return [path("export/", self.admin_site.admin_view(self.export_all), name=name), *super().get_urls()]

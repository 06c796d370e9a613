"""The products' list by what buyers see."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from catalog import availability
from catalog.admin.wording import STATUSES, UNPUBLISHED
from catalog.sales import SaleStatus


class StatusFilter(admin.SimpleListFilter):
    """Products of one status; its words are those of the column."""

    title = "status"
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(status), words) for status, (words, _) in STATUSES.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Filter rows of `availability.annotate`; a status that does not exist is ignored."""
        status = self.value()
        if status == UNPUBLISHED:
            return queryset.filter(is_published=False)
        if status is None or status not in SaleStatus:
            return queryset
        return availability.with_status(queryset.filter(is_published=True), SaleStatus(status))

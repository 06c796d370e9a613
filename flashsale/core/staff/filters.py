"""Filters of the admin's lists."""

from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from flashsale.core.staff.theme import AutocompleteSelectFilter, RangeDateTimeFilter


class TimeRange(RangeDateTimeFilter):
    """Rows between two moments of the admin's time zone; whole days where no time is given.

    A value that is no moment is ignored.
    """

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        bounds = {"gte": self._moment("from", "00:00:00"), "lte": self._moment("to", "23:59:59.999999")}
        return queryset.filter(**{f"{self.parameter_name}__{name}": at for name, at in bounds.items() if at})

    def _moment(self, end: str, time_of_day: str) -> datetime | None:
        day, time = (self.used_parameters.get(f"{self.parameter_name}_{end}_{part}") for part in (0, 1))
        try:
            moment = parse_datetime(f"{day}T{time or time_of_day}")
        except ValueError:
            return None
        return timezone.make_aware(moment) if moment and timezone.is_naive(moment) else moment


class SearchedFilter(AutocompleteSelectFilter):
    """Rows of one related row, which is found by typing: a page never lists all of them."""

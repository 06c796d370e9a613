"""Filters of the admin's lists."""

from datetime import datetime
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from unfold.widgets import UnfoldAdminTextInputWidget

from flashsale.core.staff.theme import AutocompleteSelectFilter, RangeDateTimeFilter


class TimeBoundWidget(forms.MultiWidget):
    """A box for the date and one for the time of one end of a range, in `TIME_ZONE`, which is named."""

    template_name = "flashsale/time_bound.html"

    def __init__(self, end: str) -> None:
        day = UnfoldAdminTextInputWidget({"placeholder": f"{end} 2030-01-31", "aria-label": f"{end}: date"})
        time = UnfoldAdminTextInputWidget({"placeholder": "12:00:00", "aria-label": f"{end}: time"})
        super().__init__([day, time])

    def decompress(self, value: Any) -> list[Any]:
        """Return two empty boxes: a filter begins with what its query string says."""
        return [None, None]

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        """Add the name of the zone."""
        context = super().get_context(name, value, attrs)
        context["widget"]["zone"] = timezone.get_current_timezone_name()
        return context


class RangeEndField(forms.SplitDateTimeField):
    """One end of a range: a day, with a time of day or without. `TimeRange` reads what was entered itself."""

    def compress(self, data_list: Any) -> Any:
        return None if data_list and data_list[1] is None else super().compress(data_list)


class TimeRangeForm(forms.Form):
    """The ends of a range; no script fills them in, as a browser's own zone may be another one."""

    def __init__(self, name: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for end in ("from", "to"):
            self.fields[f"{name}_{end}"] = RangeEndField(
                label="", required=False, widget=TimeBoundWidget(end.capitalize())
            )


class TimeRange(RangeDateTimeFilter):
    """Rows between two moments of the admin's time zone; whole days where no time is given.

    A value that is no moment is ignored.
    """

    form_class = TimeRangeForm

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.title = "time"

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

"""Fields for moments: a date and a time of `TIME_ZONE`, with the zone beside them and what they are in UTC."""

import re
from datetime import UTC, date, datetime, time, timedelta
from datetime import timezone as fixed_zone
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from unfold.widgets import UnfoldAdminTextInputWidget

from flashsale.core import moments

ISO_DATE = "%Y-%m-%d"
NOT_ISO = "Write a date as 2030-01-31."
NO_TIME = "Write a time as 12:00 or 12:00:00; in another zone as 12:00:00 +01:00 or 12:00:00 UTC."
NO_DATE = "Write the date too, as 2030-01-31."
_TIME = re.compile(
    r"(?P<hour>\d\d?):(?P<minute>\d\d)(:(?P<second>\d\d)([.,](?P<fraction>\d{1,6}))?)?"
    r"( ?(?P<zone>Z|UTC|(?P<sign>[+-])(?P<hours>\d\d):?(?P<minutes>\d\d)))?",
    re.ASCII | re.IGNORECASE,
)


def moment_of(day: date, text: str) -> datetime:
    """Return the moment of a date and the text of a time: in `TIME_ZONE`, unless the text names an offset.

    Raises `ValidationError` for other text, and for what `moments.from_wall` refuses.
    """
    match = _TIME.fullmatch(text.strip())
    if match is None:
        raise ValidationError(NO_TIME, code="invalid_time")
    try:
        hour, minute, second = (int(match[name] or 0) for name in ("hour", "minute", "second"))
        wall = datetime.combine(day, time(hour, minute, second, int((match["fraction"] or "").ljust(6, "0"))))
        return moments.from_wall(wall) if match["zone"] is None else wall.replace(tzinfo=_zone_of(match))
    except ValueError as error:
        raise ValidationError(NO_TIME, code="invalid_time") from error


def _zone_of(match: re.Match[str]) -> fixed_zone:
    """Return the zone that a time names. Raises `ValueError`."""
    if match["sign"] is None:
        return UTC
    offset = timedelta(hours=int(match["hours"]), minutes=int(match["minutes"]))
    return fixed_zone(-offset if match["sign"] == "-" else offset)


def meaning_of(moment: datetime) -> str:
    """Return a moment with its weekday, offset and UTC, as the script beside the field writes it."""
    local = timezone.localtime(moment).replace(tzinfo=None)
    shown = f"{local:%A} {local.isoformat(' ')} UTC"
    if timezone.get_current_timezone_name() == "UTC":
        return shown
    return f"{shown}{moments.offset_of(moment)} = {moment.astimezone(UTC).replace(tzinfo=None).isoformat(' ')} UTC"


class ZonedTimeWidget(forms.MultiWidget):
    """A box for the date and one for the time, with seconds; the browser's own zone and language do not matter."""

    template_name = "flashsale/zoned_time.html"
    supports_microseconds = True

    class Media:
        js = ("flashsale/zoned_times.js",)

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        typed = {"autocomplete": "off", "spellcheck": "false"}
        boxes = [
            UnfoldAdminTextInputWidget({**typed, "placeholder": "2030-01-31", "aria-label": "Date"}),
            UnfoldAdminTextInputWidget({**typed, "placeholder": "12:00:00", "aria-label": "Time"}),
        ]
        super().__init__(boxes, attrs)

    def decompress(self, value: Any) -> list[str | None]:
        """Return the text of both boxes; a time that the clocks show twice has its offset."""
        if not isinstance(value, datetime):
            return [None, None]
        local = timezone.localtime(value)
        offset = f" {moments.offset_of(value)}" if moments.is_ambiguous(value) else ""
        return [local.date().isoformat(), local.time().isoformat() + offset]

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        """Add the name of the zone, and what the value means, to the context of the boxes."""
        context = super().get_context(name, value, attrs)
        moment = value if isinstance(value, datetime) else _typed_moment(value)
        context["widget"] |= {
            "zone": timezone.get_current_timezone_name(),
            "zone_label": moments.zone_at(moment or timezone.now()),
            "meaning": meaning_of(moment) if moment else "",
        }
        return context


def _typed_moment(typed: Any) -> datetime | None:
    """Return the moment that was typed into the boxes; None where it is none."""
    try:
        day, text = typed
        moment = moment_of(date.fromisoformat(day), text)
        moments.validate(moment)
    except (TypeError, ValueError, ValidationError):
        return None
    return moment


class ZonedTimeField(forms.SplitDateTimeField):
    """A moment, typed as a date and a time of `TIME_ZONE`; the time may name an offset or UTC instead."""

    widget = ZonedTimeWidget

    def __init__(self, **kwargs: Any) -> None:
        invalid_date = {"invalid": NOT_ISO}
        parts = (forms.DateField(input_formats=[ISO_DATE], error_messages=invalid_date), forms.CharField())
        forms.MultiValueField.__init__(self, parts, **kwargs)

    def compress(self, data_list: Any) -> datetime | None:
        """Return the moment of both parts. Raises `ValidationError`."""
        if not data_list:
            return None
        day, text = data_list
        if day is None:
            raise ValidationError(NO_DATE, code="invalid_date")
        return moment_of(day, text or "")

    def has_changed(self, initial: datetime | None, data: Any) -> bool:
        """Say whether the boxes hold another moment than they began with."""
        if self.disabled:
            return False
        try:
            return bool(self.clean(data) != initial)
        except ValidationError:
            return True

"""Moments in user input: only those that can be stored, read again, and shown in every time zone.

PostgreSQL stores years that Python cannot read, and the first and last years that Python has cannot be shown in every
time zone. One such row would make every list that contains it fail.
"""

from datetime import UTC, datetime, timedelta

from django.core.exceptions import ValidationError
from django.forms.utils import from_current_timezone
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.formats import date_format

# In UTC; `END` is exclusive.
FIRST = datetime(2000, 1, 1, tzinfo=UTC)
END = datetime(3000, 1, 1, tzinfo=UTC)
OUT_OF_RANGE = "This must lie between 2000-01-01 and 2999-12-31 (UTC)."
NO_TIME = "This is not a time such as 2030-01-31T12:00:00+00:00."


def validate(moment: datetime) -> None:
    """Raise `ValidationError` for a moment outside `FIRST` to `END`; a model's or a form's field calls it."""
    if not FIRST <= from_current_timezone(moment) < END:
        raise ValidationError(OUT_OF_RANGE, code="out_of_range")


def parse(text: str) -> datetime:
    """Return the moment of an ISO 8601 text; without an offset it is local time in `TIME_ZONE`.

    Raises `ValidationError` for other text, for a moment that `validate` refuses, and for a local time that does not
    exist in the zone or exists twice.
    """
    try:
        # Python ignores a NUL at the end.
        parsed = parse_datetime(text) if text.isprintable() else None
    except ValueError:
        parsed = None
    if parsed is None:
        raise ValidationError(NO_TIME, code="invalid")
    moment = from_wall(parsed) if parsed.tzinfo is None else parsed
    validate(moment)
    return moment


def written(moment: datetime) -> str:
    """Return an aware moment for people: "2026-01-15 12:47:03 EET", in the shop's time zone."""
    return date_format(timezone.localtime(moment), "DATETIME_FORMAT")


def from_wall(wall: datetime) -> datetime:
    """Return the moment at which clocks in `TIME_ZONE` show this date and time, which has no offset.

    Raises `ValidationError` for what `validate` refuses, and for a time that the clocks skip or show twice.
    """
    if not FIRST - timedelta(days=2) < wall.replace(tzinfo=UTC) < END + timedelta(days=2):
        raise ValidationError(OUT_OF_RANGE, code="out_of_range")
    shown = f"{wall.isoformat(' ')} %s in {timezone.get_current_timezone_name()}: "
    candidates = _at_wall(wall)
    if not candidates:
        raise ValidationError(shown % "does not exist" + "the clocks are set forward over it.", code="skipped")
    if len(candidates) > 1:
        times = " or ".join(f"{wall.time().isoformat()} {offset_of(moment)}" for moment in candidates)
        raise ValidationError(
            shown % "exists twice" + f"the clocks are set back over it. Write it as {times}.", code="ambiguous"
        )
    return candidates[0]


def is_ambiguous(moment: datetime) -> bool:
    """Say whether clocks in `TIME_ZONE` show the local time of this moment twice."""
    return len(_at_wall(timezone.localtime(moment).replace(tzinfo=None, fold=0))) > 1


def offset_of(moment: datetime) -> str:
    """Return the offset of `TIME_ZONE` from UTC at a moment, such as "+02:00"."""
    return timezone.localtime(moment).isoformat()[-6:]


def zone_at(moment: datetime) -> str:
    """Return `TIME_ZONE` with its abbreviation and offset at a moment, such as "Africa/Cairo (EET, UTC+02:00)"."""
    name = timezone.get_current_timezone_name()
    abbreviation = f"{timezone.localtime(moment):%Z}"
    details = [abbreviation] if abbreviation[0].isalpha() else []
    return "UTC" if name == "UTC" else f"{name} ({', '.join([*details, f'UTC{offset_of(moment)}'])})"


def in_words(moment: datetime) -> str:
    """Return a moment in `TIME_ZONE` and in UTC, such as "2026-11-27 12:00:00 EET (10:00:00 UTC)"."""
    local = timezone.localtime(moment)
    shown = f"{local.replace(tzinfo=None).isoformat(' ')} {local:%Z}"
    if timezone.get_current_timezone_name() == "UTC":
        return shown
    in_utc = moment.astimezone(UTC).replace(tzinfo=None)
    is_same_day = in_utc.date() == local.date()
    return f"{shown} ({in_utc.time().isoformat() if is_same_day else in_utc.isoformat(' ')} UTC)"


def _at_wall(wall: datetime) -> list[datetime]:
    """Return the moments, in UTC, at which clocks in `TIME_ZONE` show this: none, one or two."""
    zone = timezone.get_current_timezone()
    moments = [wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)]
    shown = [moment for moment in moments if moment.astimezone(zone).replace(tzinfo=None, fold=0) == wall]
    return sorted(set(shown))

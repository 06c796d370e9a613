"""Moments in user input: only those that can be stored, read again, and shown in every time zone.

PostgreSQL stores years that Python cannot read, and the first and last years that Python has cannot be shown in every
time zone. One such row would make every list that contains it fail.
"""

from datetime import UTC, datetime

from django.core.exceptions import ValidationError
from django.forms.utils import from_current_timezone
from django.utils.dateparse import parse_datetime

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
    moment = from_current_timezone(parsed)
    validate(moment)
    return moment

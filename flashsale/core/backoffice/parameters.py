"""Query parameters of the back office: each has one exact spelling, and unknown ones are refused."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils.dateparse import parse_datetime

from flashsale.core import identifiers, moments
from flashsale.core.limits import MAX_ID
from flashsale.core.refusals import InvalidRequest


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A query parameter: what it means, its JSON schema, and how its text is read.

    `parse` returns None for text that is no value of it; `expected` says what is.
    """

    meaning: str
    schema: Mapping[str, Any]
    parse: Callable[[str], Any]
    expected: str
    error_code: str = "invalid"


Parameters = dict[str, Parameter]


def choice(meaning: str, values: Iterable[str]) -> Parameter:
    """Return a parameter with one of these values."""
    known = [str(value) for value in values]
    return Parameter(
        meaning=meaning,
        schema={"type": "string", "enum": known},
        parse=lambda text: text if text in known else None,
        expected=f"one of {', '.join(known)}",
        error_code="not_a_choice",
    )


def boolean(meaning: str) -> Parameter:
    """Return a parameter that is `true` or `false`."""
    values = {"true": True, "false": False}
    return Parameter(meaning=meaning, schema={"type": "boolean"}, parse=values.get, expected="true or false")


def integer(meaning: str, *, least: int = 1, most: int = MAX_ID) -> Parameter:
    """Return a parameter with an integer in plain decimal digits."""

    def parse(text: str) -> int | None:
        is_number = text.isascii() and text.isdigit() and len(text) <= len(str(most)) and str(int(text)) == text
        return int(text) if is_number and least <= int(text) <= most else None

    schema = {"type": "integer", "minimum": least, "maximum": most}
    expected = f"an integer from {least} to {most}"
    return Parameter(meaning=meaning, schema=schema, parse=parse, expected=expected, error_code="not_an_integer")


def one_of(meaning: str, values: Iterable[int]) -> Parameter:
    """Return a parameter with one of these integers."""
    known = {str(value): value for value in values}
    return Parameter(
        meaning=meaning,
        schema={"type": "integer", "enum": [*known.values()]},
        parse=known.get,
        expected=f"one of {', '.join(known)}",
        error_code="not_a_choice",
    )


def uuid(meaning: str) -> Parameter:
    """Return a parameter with a UUID in its canonical form."""

    def parse(text: str) -> UUID | None:
        return identifiers.parse_uuid(text)

    schema = {"type": "string", "format": "uuid"}
    return Parameter(meaning=meaning, schema=schema, parse=parse, expected="a UUID", error_code="not_a_uuid")


def text(meaning: str, *, max_length: int) -> Parameter:
    """Return a parameter with 1 to `max_length` characters."""

    def parse(value: str) -> str | None:
        return value if 0 < len(value) <= max_length and "\x00" not in value else None

    schema = {"type": "string", "minLength": 1, "maxLength": max_length, "pattern": "^[^\\u0000]+$"}
    return Parameter(meaning=meaning, schema=schema, parse=parse, expected=f"1 to {max_length} characters")


def moment(meaning: str) -> Parameter:
    """Return a parameter with a time in ISO 8601 with an offset, such as 2026-11-20T12:00:00Z."""

    def parse(value: str) -> datetime | None:
        try:
            found = moments.parse(value)
        except ValidationError:
            return None
        return found if has_offset(value) else None

    schema = {"type": "string", "format": "date-time"}
    expected = "a time in ISO 8601 with an offset"
    return Parameter(meaning=meaning, schema=schema, parse=parse, expected=expected, error_code="not_a_time")


def has_offset(value: str) -> bool:
    """Say whether the text of a time, which is one, names its offset from UTC."""
    parsed = parse_datetime(value)
    return parsed is not None and parsed.tzinfo is not None


def read(query: QueryDict, known: Parameters) -> dict[str, Any]:
    """Return the values of a query by name. Raises `InvalidRequest` for the first unknown, repeated or wrong one."""
    values = {}
    for name, texts in query.lists():
        if name not in known:
            raise _invalid(name, "There is no such parameter.", "unknown")
        if len(texts) != 1:
            raise _invalid(name, "This parameter is given more than once.", "repeated")
        value = known[name].parse(texts[0])
        if value is None:
            raise _invalid(name, f"This must be {known[name].expected}.", known[name].error_code)
        values[name] = value
    return values


def _invalid(name: str, detail: str, error_code: str) -> InvalidRequest:
    escaped = name.replace("~", "~0").replace("/", "~1")
    return InvalidRequest(detail, pointer=f"#query/{escaped}", error_code=error_code)

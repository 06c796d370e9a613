"""Rows as CSV, streamed: a million of them take no more memory than a thousand."""

import csv
from collections.abc import Iterator
from typing import Any

from django.db.models import BinaryField, Field, Model, QuerySet

CHUNK_ROWS = 1_000
# What a spreadsheet would take for a formula. Source: https://owasp.org/www-community/attacks/CSV_Injection
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


class _Echo:
    """A file whose `write` returns what it is given, for `csv.writer`."""

    def write(self, text: str) -> str:
        return text


def lines(queryset: QuerySet) -> Iterator[str]:
    """Yield a header and a line for each row, by ascending primary key; columns of raw bytes are left out."""
    fields = [field for field in queryset.model._meta.fields if not isinstance(field, BinaryField)]
    writer = csv.writer(_Echo())
    yield writer.writerow([field.attname for field in fields])
    for row in _in_chunks(queryset.select_related(None).order_by("pk"), fields):
        yield writer.writerow([_cell(getattr(row, field.attname)) for field in fields])


def _in_chunks(rows: QuerySet, fields: list[Field]) -> Iterator[Model]:
    """Yield all rows, each chunk read by where the one before ended, so that no statement runs long."""
    rows = rows.only(*(field.name for field in fields))
    chunk = list(rows[:CHUNK_ROWS])
    while chunk:
        yield from chunk
        chunk = list(rows.filter(pk__gt=chunk[-1].pk)[:CHUNK_ROWS])


def _cell(value: Any) -> str:
    """Return a value as text that no spreadsheet takes for a formula."""
    if value is None:
        return ""
    text = value.isoformat() if hasattr(value, "isoformat") else str(value)
    is_formula = isinstance(value, str) and text.startswith(FORMULA_STARTS)
    return f"'{text}" if is_formula else text

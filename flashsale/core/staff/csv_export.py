"""Rows as CSV, streamed: a million of them take no more memory than a thousand."""

import csv
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import BinaryField, Model, Q, QuerySet
from django.utils import timezone

from flashsale.core import money

CHUNK_ROWS = 1_000
# Tells spreadsheets that the file is UTF-8.
MARK = "\ufeff"
# What a spreadsheet would take for a formula. Source: https://owasp.org/www-community/attacks/CSV_Injection
FORMULA_STARTS = frozenset("=+-@")
CONTROL_STARTS = ("\t", "\r", "\n")
# Control and formatting characters, and blanks of all widths, which some spreadsheets skip at the start of a cell.
SKIPPED = frozenset({"Cc", "Cf", "Zs", "Zl", "Zp"})


class _Echo:
    """A file whose `write` returns what it is given, for `csv.writer`."""

    def write(self, text: str) -> str:
        return text


@dataclass(frozen=True)
class Export:
    """What of a list goes into a file: headers with the dotted paths of their values, what people need first.

    `currency` is the path of the currency that a row's amounts are in; `order` is the column that rows come by, unique
    or with the primary key after it.
    """

    columns: Mapping[str, str]
    currency: str = "currency"
    order: str = "pk"

    def lines(self, queryset: QuerySet) -> Iterator[str]:
        """Yield the mark with the header, and a line for each row."""
        writer = csv.writer(_Echo())
        yield MARK + writer.writerow(self.columns)
        for row in _in_chunks(self._with_what_is_shown(queryset), self.order):
            currency = _value(row, self.currency) or ""
            yield writer.writerow([_cell(_value(row, path), currency) for path in self.columns.values()])

    def _with_what_is_shown(self, queryset: QuerySet) -> QuerySet:
        """Return the rows with the rows that the paths lead to, without columns of raw bytes, in order."""
        related = {path.rpartition(".")[0].replace(".", "__") for path in [*self.columns.values(), self.currency]} - {
            ""
        }
        raw = [field.name for field in queryset.model._meta.fields if isinstance(field, BinaryField)]
        rows = queryset.select_related(None).defer(None).defer(*raw)
        return (rows.select_related(*sorted(related)) if related else rows).order_by(self.order, "pk")


def _in_chunks(rows: QuerySet, order: str) -> Iterator[Model]:
    """Yield all rows, each chunk read by where the one before ended, so that no statement runs long."""
    chunk = list(rows[:CHUNK_ROWS])
    while chunk:
        yield from chunk
        last = chunk[-1]
        at = getattr(last, order)
        beyond = Q(**{f"{order}__gt": at}) | Q(**{order: at}, pk__gt=last.pk)
        chunk = list(rows.filter(beyond, **{f"{order}__gte": at})[:CHUNK_ROWS])


def _value(row: Model, path: str) -> Any:
    """Return the value at the end of a dotted path; None where a row on the way is missing."""
    value: Any = row
    for name in path.split("."):
        value = getattr(value, name, None) if isinstance(value, Model) else None
    return value


def _cell(value: Any, currency: str) -> str:
    """Return a value as people and spreadsheets read it: an amount in its currency's decimals, and no formula."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal):
        return money.render(value, currency)
    if isinstance(value, datetime):
        return _moment(value)
    return _harmless(value) if isinstance(value, str) else str(value)


def _moment(value: datetime) -> str:
    """Return a moment to the second, in the shop's time zone, with its offset."""
    try:
        return timezone.localtime(value).isoformat(timespec="seconds")
    except OverflowError:
        return value.isoformat(timespec="seconds")


def _harmless(text: str) -> str:
    """Return text that no spreadsheet takes for a formula."""
    first = next((one for one in text if unicodedata.category(one) not in SKIPPED), "")
    # Full-width and other forms of a sign count as the sign.
    is_formula = unicodedata.normalize("NFKC", first)[:1] in FORMULA_STARTS
    return f"'{text}" if is_formula or text.startswith(CONTROL_STARTS) else text

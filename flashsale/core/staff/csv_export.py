"""Rows as CSV, streamed: a million of them take no more memory than a thousand."""

import csv
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
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
# Spreadsheets evaluate cells that begin with these as formulas. Source: https://owasp.org/www-community/attacks/CSV_Injection
FORMULA_STARTS = frozenset("=+-@")
CONTROL_STARTS = ("\t", "\r", "\n")
# Control and formatting characters, and blanks of all widths, which some spreadsheets skip at the start of a cell.
SKIPPED = frozenset({"Cc", "Cf", "Zs", "Zl", "Zp"})


@dataclass(frozen=True)
class Fact:
    """A value that is shown of the fact about a row; `Export.facts_about` reads the facts of many rows at once."""

    show: Callable[[Any], Any]


# The dotted path of a value from its row, or what returns the value.
Path = str | Callable[[Any], Any] | Fact


class _Echo:
    """A file whose `write` returns what it is given, for `csv.writer`."""

    def write(self, text: str) -> str:
        return text


@dataclass(frozen=True)
class Export:
    """The columns of an exported list: headers, each with the dotted path of its values, or a function of the row.

    A header such as `payment_id` is written as words, "Payment id". `currency` is the path of the currency of a row's
    amounts; rows are ordered by `order`, then by primary key. `facts_about` returns the facts about some rows, by
    primary key, with a bounded number of queries.
    """

    columns: Mapping[str, Path]
    currency: str = "currency"
    order: str = "pk"
    facts_about: Callable[[Sequence[Any]], Mapping[Any, Any]] | None = None

    @property
    def headers(self) -> list[str]:
        """The columns' names in words, as the file has them."""
        return [f"{name[:1].upper()}{name[1:]}".replace("_", " ") for name in self.columns]

    def lines(self, queryset: QuerySet[Any]) -> Iterator[str]:
        """Yield the byte order mark with the header, and a line for each row."""
        writer = csv.writer(_Echo())
        yield MARK + writer.writerow(self.headers)
        for chunk in _in_chunks(self._with_related(queryset), self.order):
            facts = self.facts_about(chunk) if self.facts_about else {}
            for row in chunk:
                currency = _value(row, self.currency, facts) or ""
                yield writer.writerow([_cell(_value(row, path, facts), currency) for path in self.columns.values()])

    def _with_related(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows in order, with the related rows of the paths, without columns of raw bytes."""
        paths = [path for path in [*self.columns.values(), self.currency] if isinstance(path, str)]
        related = {path.rpartition(".")[0].replace(".", "__") for path in paths} - {""}
        raw = [field.name for field in queryset.model._meta.fields if isinstance(field, BinaryField)]
        rows = queryset.select_related(None).defer(None).defer(*raw)
        return (rows.select_related(*sorted(related)) if related else rows).order_by(self.order, "pk")


def _in_chunks(rows: QuerySet[Any], order: str) -> Iterator[list[Model]]:
    """Yield all rows in lists, read by keyset pagination, so that no statement runs long."""
    chunk = list(rows[:CHUNK_ROWS])
    while chunk:
        yield chunk
        last = chunk[-1]
        at = getattr(last, order)
        beyond = Q(**{f"{order}__gt": at}) | Q(**{order: at}, pk__gt=last.pk)
        chunk = list(rows.filter(beyond, **{f"{order}__gte": at})[:CHUNK_ROWS])


def _value(row: Model, path: Path, facts: Mapping[Any, Any]) -> Any:
    """Return the value at the end of a dotted path, None where a row on the way is missing; or what a function says."""
    if isinstance(path, Fact):
        return path.show(facts[row.pk])
    if not isinstance(path, str):
        return path(row)
    value: Any = row
    for name in path.split("."):
        value = getattr(value, name, None) if isinstance(value, Model) else None
    return value


def _cell(value: Any, currency: str) -> str:
    """Return a value as a cell: an amount with its currency's decimals, text that is no formula."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal):
        return money.render(value, currency)
    if isinstance(value, datetime):
        return _moment(value)
    return _without_formula(value) if isinstance(value, str) else str(value)


def _moment(value: datetime) -> str:
    """Return a moment to the second, in the shop's time zone, with its offset."""
    try:
        return timezone.localtime(value).isoformat(timespec="seconds")
    except OverflowError:
        return value.isoformat(timespec="seconds")


def _without_formula(text: str) -> str:
    """Return text that no spreadsheet evaluates as a formula."""
    first = next((character for character in text if unicodedata.category(character) not in SKIPPED), "")
    # Full-width and other forms of a sign count as the sign.
    is_formula = unicodedata.normalize("NFKC", first)[:1] in FORMULA_STARTS
    return f"'{text}" if is_formula or text.startswith(CONTROL_STARTS) else text

"""Columns of the admin's lists, and fields of its pages: amounts, moments, ids, statuses and links."""

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from flashsale.core import identifiers, money
from flashsale.core.staff.links import link_to

# Takes a row and returns what its cell shows.
Column = Callable[[Any], Any]


def money_column(column: str, label: str = "") -> Column:
    """Return a list column that shows an amount with its currency's decimals, and the currency, where it is known.

    The rows are of a model with a column `currency`. Django shows None as "-", which its stubs do not know.
    """

    @admin.display(description=label or column.replace("_", " "), ordering=column)
    def show(row: Model) -> str | None:
        amount, currency = getattr(row, column), str(getattr(row, "currency"))  # noqa: B009 - of any model
        return None if amount is None else f"{money.render(amount, currency)} {currency}".strip()

    return show


def short_id_column(label: str) -> Column:
    """Return a list column with the row's short id, whose tooltip is the whole one."""

    @admin.display(description=label)
    def show(row: Model) -> SafeString:
        return format_html('<span class="cell-id" title="{}">{}</span>', row.pk, identifiers.short(row.pk))

    return show


def text_column(column: str, label: str) -> Column:
    """Return a list column with a text in one line, whose tooltip is the whole one; None for an empty text."""

    @admin.display(description=label)
    def show(row: Model) -> SafeString | None:
        text = getattr(row, column)
        return format_html('<span class="cell-text" title="{}">{}</span>', text, text) if text else None

    return show


def link_column(relation: str, label: str) -> Column:
    """Return a list column with a link to the page of a related row."""

    @admin.display(description=label)
    def show(row: Model) -> SafeString | str:
        return link_to(getattr(row, relation))

    return show


def moment_column(column: str, label: str) -> Column:
    """Return a list column with a moment, by which the list can be sorted."""

    @admin.display(description=label, ordering=column)
    def show(row: Model) -> str | None:
        moment: datetime | None = getattr(row, column)
        return moment_text(moment) if moment else None

    # Names the cells' class in the page.
    show.__name__ = "moment"
    return show


def label_column(label: str, colours: Mapping[str, str], value_of: Callable[[Any], tuple[str, str] | None]) -> Column:
    """Return a list column with a word on a colour of the theme: success, info, warning or danger; other words grey.

    `value_of` returns the key of the colour and the word, or None for an empty cell.
    """

    @admin.display(description=label)
    def show(row: Model) -> tuple[str, str] | None:
        return value_of(row)

    show.label = dict(colours)  # type: ignore[attr-defined]  # what the theme's own decorator sets
    return show


def amount_text(amount: Decimal, currency: str) -> str:
    """Return an amount as pages show it: with its currency's decimals, and its currency."""
    return f"{money.render(amount, currency)} {currency}"


def moment_text(moment: datetime) -> str:
    """Return a moment as pages show it: in the shop's time zone, which is named."""
    return str(formats.localize(timezone.localtime(moment)))


def time_left(seconds: float) -> str:
    """Return a duration for people: "2 h 5 min", "12 min", "45 s"; "0 s" for a negative one."""
    whole = max(0, int(seconds))
    hours, minutes = whole // 3600, whole % 3600 // 60
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min" if minutes else f"{whole} s"

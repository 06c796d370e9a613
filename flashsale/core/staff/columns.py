"""Columns of the admin's lists, and fields of its pages: amounts, moments, ids, statuses and links."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString

from flashsale.core import identifiers, moments, money
from flashsale.core.staff.links import link_to

# Takes a row and returns what its cell shows.
Column = Callable[[Any], Any]
EMPTY = format_html('<span class="cell-empty">{}</span>', "-")


def _column(show: Column, label: str, *, ordering: str | None = None) -> Column:
    """Return a list column under a heading, which is also the class of its cells."""
    show.__name__ = label.replace(" ", "_")
    return admin.display(show, description=label, ordering=ordering)


def money_column(column: str, label: str = "") -> Column:
    """Return a list column that shows an amount with its currency's decimals, and the currency, where it is known.

    The rows are of a model with a column `currency`. Django shows None as "-", which its stubs do not know.
    """

    def show(row: Model) -> str | None:
        amount, currency = getattr(row, column), str(getattr(row, "currency"))  # noqa: B009 - of any model
        return None if amount is None else money.written(amount, currency)

    return _column(show, label or column.replace("_", " "), ordering=column)


def short_id_column(label: str) -> Column:
    """Return a list column with the row's short id, whose tooltip is the whole one."""

    def show(row: Model) -> SafeString:
        return format_html('<span class="cell-id" title="{}">{}</span>', row.pk, identifiers.short(row.pk))

    return _column(show, label)


def text_column(column: str, label: str) -> Column:
    """Return a list column with a text in one line, whose tooltip is the whole one."""

    def show(row: Model) -> SafeString:
        text = getattr(row, column)
        return format_html('<span class="cell-text" title="{}">{}</span>', text, text) if text else EMPTY

    return _column(show, label)


def link_column(relation: str, label: str) -> Column:
    """Return a list column with a link, in one line, to the page of a related row; its tooltip is the whole name."""

    def show(row: Model) -> SafeString:
        related = getattr(row, relation)
        if related is None:
            return EMPTY
        return format_html('<span class="cell-text" title="{}">{}</span>', related, link_to(related))

    return _column(show, label)


def moment_column(column: str, label: str) -> Column:
    """Return a list column with a moment, by which the list can be sorted."""

    def show(row: Model) -> SafeString:
        moment: datetime | None = getattr(row, column)
        return format_html('<span class="cell-moment">{}</span>', moments.written(moment)) if moment else EMPTY

    return _column(show, label, ordering=column)


def label_column(label: str, colours: Mapping[str, str], value_of: Callable[[Any], tuple[str, str] | None]) -> Column:
    """Return a list column with a word on a colour of the theme: success, info, warning or danger; other words grey.

    `value_of` returns the key of the colour and the word, or None for an empty cell.
    """

    def show(row: Model) -> SafeString:
        value = value_of(row)
        if value is None:
            return EMPTY
        key, word = value
        return render_to_string("unfold/helpers/label.html", {"type": colours.get(key, ""), "text": word})

    return _column(show, label)


def time_left(seconds: float) -> str:
    """Return a duration for people: "2 h 5 min", "12 min", "45 s"; "0 s" for a negative one."""
    whole = max(0, int(seconds))
    hours, minutes = whole // 3600, whole % 3600 // 60
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min" if minutes else f"{whole} s"

"""A product's history in words: who changed what, when, from what to what."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from catalog import versions
from catalog.admin.wording import LABELS
from catalog.models import Product, StockAdjustment
from catalog.versions import Change, FieldChange
from flashsale.core import acting, moments, money
from flashsale.core.submissions import token_actions

OUTSIDE = "outside the admin"


@dataclass(frozen=True)
class Entry:
    """One line of the history."""

    at: datetime
    by: str
    text: str


def of_product(product: Product) -> list[Entry]:
    """Return the newest changes of a product's fields and stock, and what tokens noted, together, newest first."""
    changes = [Entry(change.at, change.by or OUTSIDE, sentence_of(change)) for change in versions.changes_of(product)]
    adjustments = product.stock_adjustments.select_related("made_by")[: versions.MAX_SHOWN]
    noted = token_actions.newest_about(product, limit=versions.MAX_SHOWN)
    entries = changes + [_adjusted(adjustment) for adjustment in adjustments]
    entries += [Entry(one.made_at, acting.in_words(one.token_name), one.text) for one in noted]
    return sorted(entries, key=lambda entry: entry.at, reverse=True)[: versions.MAX_SHOWN]


def _adjusted(adjustment: StockAdjustment) -> Entry:
    text = f"stock {adjustment.total_before} → {adjustment.total_after} ({adjustment}"
    return Entry(adjustment.made_at, adjustment.author or OUTSIDE, f"{text})")


def sentence_of(change: Change) -> str:
    """Say what one change changed."""
    return "; ".join(_sentences(change))


def _sentences(change: Change) -> Iterator[str]:
    for field in change.fields:
        if field.name == "is_published":
            yield "published" if field.after else "withdrawn"
        elif field.name == "paused_at":
            yield f"paused at {moments.written(field.after)}" if field.after else "resumed"
        else:
            yield f"{LABELS.get(field.name, field.name)} {_pair(field, change.currency)}"


def _pair(field: FieldChange, currency: str) -> str:
    return f"{value_of(field.before, currency)} → {value_of(field.after, currency)}"


def value_of(value: Any, currency: str) -> str:
    """Return a column's value in words: amounts with the currency's decimals, times with their zone, "-" for none."""
    if value is None or value == "":
        return "-"
    if isinstance(value, Decimal):
        return money.written(value, currency)
    return moments.in_words(value) if isinstance(value, datetime) else str(value)

"""Columns of the admin's lists."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.db.models import Model

from flashsale.core import money


def money_column(column: str) -> Callable[[Any], Any]:
    """Return a list column that shows an amount with its currency's decimals, and the currency, where it is known.

    The rows are of a model with a column `currency`. Django shows None as "-", which its stubs do not know.
    """

    @admin.display(description=column.replace("_", " "), ordering=column)
    def show(row: Model) -> str | None:
        amount, currency = getattr(row, column), str(getattr(row, "currency"))  # noqa: B009 - of any model
        return None if amount is None else f"{money.render(amount, currency)} {currency}".strip()

    return show

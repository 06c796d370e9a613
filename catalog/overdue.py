"""Overdue units: reserved past their deadline, and available to buyers although no row has been changed yet.

The catalog does not import the apps that reserve units. They register here how their overdue rows are found and how
the units are released, so that every answer about availability counts them and every claim can reclaim them.
"""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from django.db.models import Expression, F, IntegerField, OuterRef, Q, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce

Time = datetime | Expression
# Given a time, a queryset with `product_id` and `quantity` (units) of the rows that are overdue at that time.
Source = Callable[[Time], QuerySet[Any]]
# Given a product id, a verb with a transaction of its own that releases the units of at most `BATCH_ROWS` overdue rows
# of that product, and returns the number of rows.
Reclaim = Callable[[int], int]

Result = TypeVar("Result")

BATCH_ROWS = 2_000
# A request waits meanwhile; the sweepers reclaim the rest.
RECLAIM_SECONDS = 1.0

_sources: list[tuple[Source, Reclaim]] = []


class ReclaimFirst(Exception):
    """A transaction is undone because it may succeed once the overdue units of `product_id` have been reclaimed."""

    def __init__(self, product_id: int) -> None:
        super().__init__(product_id)
        self.product_id = product_id


def register(*, rows: Source, reclaim: Reclaim) -> None:
    """Let availability count the units of `rows`; called when an app is ready, once for each kind of reservation."""
    _sources.append((rows, reclaim))


def units_of(product_id: OuterRef | F | int, *, at: Time) -> Expression:
    """Return an expression for the overdue units of one product at `at`."""
    total: Expression = Value(0)
    for rows, _ in _sources:
        of_product = rows(at).filter(product_id=product_id).order_by().values("product_id")
        total = total + Coalesce(Subquery(of_product.annotate(units=Sum("quantity")).values("units")), 0)
    total.output_field = IntegerField()
    return total


def has_units(name: str, *, at: Time) -> Q:
    """Return the condition that the product whose id is the column `name` has overdue units at `at`.

    For many products at once: all overdue rows are read by their deadlines, once.
    """
    found = Q(pk__in=[])
    for rows, _ in _sources:
        found |= Q(**{f"{name}__in": rows(at).order_by().values("product_id")})
    return found


def count(product_id: int, *, at: datetime) -> int:
    """Return the overdue units of one product at `at`."""
    sums = (rows(at).filter(product_id=product_id).aggregate(units=Sum("quantity")) for rows, _ in _sources)
    return sum(row["units"] or 0 for row in sums)


def reclaim(product_id: int) -> None:
    """Release the overdue units of one product, for `RECLAIM_SECONDS` at most. Runs outside any transaction."""
    give_up_at = time.monotonic() + RECLAIM_SECONDS
    for _, reclaim_rows in _sources:
        while reclaim_rows(product_id) == BATCH_ROWS and time.monotonic() < give_up_at:
            pass


def reclaiming(run: Callable[[bool], Result]) -> Result:
    """Return `run(True)`, or, when that raises `ReclaimFirst`, reclaim that product's units and return `run(False)`.

    `run(may_reclaim)` is a whole transaction, which raises `ReclaimFirst` only where `may_reclaim` is true.
    """
    try:
        return run(True)
    except ReclaimFirst as shortage:
        reclaim(shortage.product_id)
        return run(False)

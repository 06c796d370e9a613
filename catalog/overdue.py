"""Units that are reserved past their deadline: they count as available although nobody has tidied them up yet.

The catalog knows no holds and no orders. Whoever reserves units registers here how to find the overdue ones and how to
take them back, so that every answer about availability counts them and every claim can have them.
"""

import time
from collections.abc import Callable
from datetime import datetime

from django.db.models import Expression, F, IntegerField, OuterRef, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce

Deadline = datetime | Expression
# Given a point in time, a queryset with `product_id` and `quantity` (units) of the rows overdue at it.
Source = Callable[[Deadline], QuerySet]
# Given a product id, a verb with a transaction of its own that gives back the units of at most `BATCH_ROWS` overdue
# rows of that product, and returns of how many.
Reclaim = Callable[[int], int]

BATCH_ROWS = 2_000
# A buyer waits meanwhile; what is left after this is the workers' to tidy up.
RECLAIM_SECONDS = 1.0

_sources: list[tuple[Source, Reclaim]] = []


def register(*, rows: Source, reclaim: Reclaim) -> None:
    """Let availability count the units of `rows`; called when an app is ready, once for each kind of reservation."""
    _sources.append((rows, reclaim))


def units_of(product_id: OuterRef | F | int, *, at: Deadline) -> Expression:
    """Return an expression for the overdue units of one product at `at`."""
    total: Expression = Value(0)
    for rows, _ in _sources:
        of_product = rows(at).filter(product_id=product_id).order_by().values("product_id")
        total = total + Coalesce(Subquery(of_product.annotate(units=Sum("quantity")).values("units")), 0)
    total.output_field = IntegerField()
    return total


def count(product_id: int, *, at: datetime) -> int:
    """Return the overdue units of one product at `at`."""
    sums = (rows(at).filter(product_id=product_id).aggregate(units=Sum("quantity")) for rows, _ in _sources)
    return sum(row["units"] or 0 for row in sums)


def reclaim(product_id: int) -> None:
    """Give the overdue units of one product back, for `RECLAIM_SECONDS` at most. Runs outside any transaction."""
    until = time.monotonic() + RECLAIM_SECONDS
    for _, verb in _sources:
        while verb(product_id) == BATCH_ROWS and time.monotonic() < until:
            pass

"""Which overdue rows one transaction expires: the sweeper's next batch, or all of one product while a buyer waits."""

from typing import TypeVar

from django.db.models import Model, QuerySet

from catalog import overdue

# The most rows that the sweeper expires in one transaction.
EXPIRY_BATCH_ROWS = 2_000

Row = TypeVar("Row", bound=Model)


def lock_oldest(rows: QuerySet[Row], *, deadline: str, limit: int) -> QuerySet[Row]:
    """Return a query that locks the `limit` rows with the earliest deadline and skips rows that are locked already."""
    return rows.select_for_update(no_key=True, of=("self",), skip_locked=True).order_by(deadline)[:limit]


def lock_product(rows: QuerySet[Row], product_id: int) -> QuerySet[Row]:
    """Return a query that locks at most `overdue.BATCH_ROWS` rows of a product; it waits for rows that are locked."""
    locked = rows.filter(product_id=product_id).select_for_update(no_key=True, of=("self",))
    return locked.order_by("pk")[: overdue.BATCH_ROWS]

"""Tells the shop's back end which products are sold out, and which are back in stock.

The counters change with every hold, and by the passing of time alone: nothing is recorded with those changes, which
would cost each hold a statement. Whenever events are numbered, what is available is compared with what was announced
last. What changed to and fro between two comparisons is not announced.
"""

import functools
from collections.abc import Collection
from datetime import timedelta
from typing import Any

from django.db.models import BooleanField, Exists, F, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Now

from catalog import overdue, product_events
from catalog.models import Product, Stock, StockAnnouncement
from flashsale.core.statements import Statement, send
from flashsale.outbox import recording
from flashsale.outbox.kinds import EventType

BACK_IN_STOCK_INTERVAL = timedelta(seconds=10)
# Products announced by one comparison; the others by the next one.
MAX_PRODUCTS = 500

_COMMITTED = F("reserved") + F("sold")
_AVAILABLE = "ours.total - ours.reserved - ours.sold + ours.overdue_units"


def announce() -> None:
    """Record which published products have sold out or are back since that was announced.

    Runs inside the transaction that numbers events, under its lock. A product that staff are editing waits for the
    next comparison, so that each event of a product is newer than the one before.
    """
    sql, params = _differing_sql()
    [differing] = send([Statement(sql, params)])
    for is_sold_out in (True, False):
        ids = [row["id"] for row in differing if row["is_sold_out"] == is_sold_out]
        if locked := _locked(ids):
            _announce(locked, is_sold_out=is_sold_out)


def _announce(product_ids: Collection[int], *, is_sold_out: bool) -> None:
    """Record events of those products that are still so, and that it was announced.

    The events' own statement looks again: what they say of the product agrees with their type.
    """
    event_type = EventType.PRODUCT_SOLD_OUT if is_sold_out else EventType.PRODUCT_BACK_IN_STOCK
    condition = f"{_AVAILABLE} {'<=' if is_sold_out else '>'} 0"
    announced = recording.record_where(event_type, product_events.RESOURCE, product_ids, condition)
    if is_sold_out:
        StockAnnouncement.objects.bulk_create(
            [StockAnnouncement(product_id=int(product_id), is_sold_out=True) for product_id in announced],
            update_conflicts=True,
            unique_fields=["product"],
            update_fields=["is_sold_out"],
        )
    else:
        rows = StockAnnouncement.objects.filter(pk__in=[int(product_id) for product_id in announced])
        rows.update(is_sold_out=False, back_in_stock_at=Now())


def _locked(product_ids: Collection[int]) -> list[int]:
    """Lock those of these products that are published and not locked by others; return their ids."""
    if not product_ids:
        return []
    products = Product.objects.published().select_for_update(no_key=True, skip_locked=True, of=("self",))
    return [product.pk for product in products.filter(pk__in=product_ids).order_by("pk").only("pk")]


@functools.cache
def _differing_sql() -> tuple[str, tuple[Any, ...]]:
    """Return the query of the published products whose availability is not as announced: Django compiles it once.

    It reads the counters of all products once, and overdue holds and orders by their deadlines.
    """
    differing = _newly_sold_out().union(_returned(), all=True)[:MAX_PRODUCTS]
    sql, params = differing.query.sql_with_params()
    return sql, tuple(params)


def _newly_sold_out() -> QuerySet[Any]:
    # Not a condition on each row, which would look it up in the index: in a sale most products are announced.
    announced = StockAnnouncement.objects.filter(is_sold_out=True).values("product_id")
    stocks = Stock.objects.filter(~overdue.has_units("pk", at=Now()), ~Q(pk__in=announced), total=_COMMITTED)
    return _selected(stocks.filter(product__is_published=True), is_sold_out=True)


def _returned() -> QuerySet[Any]:
    may_return = Q(back_in_stock_at=None) | Q(back_in_stock_at__lte=Now() - BACK_IN_STOCK_INTERVAL)
    announced = StockAnnouncement.objects.filter(may_return, product_id=OuterRef("pk"), is_sold_out=True)
    stocks = Stock.objects.filter(Q(total__gt=_COMMITTED) | overdue.has_units("pk", at=Now()), Exists(announced))
    return _selected(stocks.filter(product__is_published=True), is_sold_out=False)


def _selected(stocks: QuerySet[Stock], *, is_sold_out: bool) -> QuerySet[Any]:
    shown = stocks.annotate(id=F("pk"), is_sold_out=Value(is_sold_out, output_field=BooleanField()))
    return shown.values_list("id", "is_sold_out")

"""The only writer of `total`, `reserved` and `sold`.

Every function here runs inside its caller's transaction; the stock row is the last lock that a transaction takes, and
where nothing about it has to be decided, the last thing that it does (`defer_to_commit`).
The CHECK constraints stand behind every write: a mistake in the books raises `IntegrityError`, it is never clamped.
"""

import functools
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from django.contrib.auth.models import AbstractBaseUser
from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.db.models import QuerySet

from catalog import snapshots
from catalog.models import Product, Stock, StockAdjustment
from flashsale.core import events, metrics
from flashsale.core.limits import MAX_INTEGER
from flashsale.core.refusals import Refusal
from flashsale.core.submissions.once import retrying_transaction_once
from flashsale.core.transactions import defer_to_commit, flush_deferred

OPENING_REASON = "Opening stock"
# Rows of one INSERT, so that none runs long.
BATCH_ROWS = 500

_ADD = """
UPDATE catalog_stock
SET total = total + %s, reserved = reserved + %s, sold = sold + %s, version = version + 1
WHERE product_id = %s
RETURNING total, reserved, sold, version
"""
# Fails, and undoes the transaction, where there is no row.
_MUST_EXIST = "SELECT 1 / count(*) FROM catalog_stock WHERE product_id = %s"
_PRODUCT = "SELECT *, clock_timestamp() AS locked_at FROM catalog_product WHERE id = %s AND is_published"

Row = TypeVar("Row", Stock, Product)
# SQL, and its parameters.
Statement = tuple[str, Sequence[Any]]


class InsufficientStock(Refusal):
    """Carries `available`: the units that can still be had, perhaps too few for this claim."""

    code = "insufficient_stock"
    title = "Sold out"

    def __init__(self, *, available: int) -> None:
        super().__init__(f"Only {available} can still be had." if available else "Sold out", available=available)


class StockBelowCommitments(Refusal):
    """Units that are reserved or sold cannot be taken out of the total."""

    code = "stock_below_commitments"
    title = "More units are committed than would remain"


class StockMissing(RuntimeError):
    """A counter of a product without a stock row was to be written: a fault of this program, nothing was changed."""


def open_stock(product: Product, *, units: int, made_by: AbstractBaseUser | None = None) -> Stock:
    """Create the counters of a new product with a total of `units`, recorded as its first adjustment."""
    stock = Stock.objects.create(product=product, total=units)
    if units:
        _opening(stock, made_by=made_by).save()
    return stock


def open_all(products: Iterable[tuple[Product, int]], *, made_by: AbstractBaseUser | None = None) -> None:
    """Create the counters of new products, each with a total of so many units, as `open_stock` does for one."""
    opened = [Stock(product=product, total=units) for product, units in products]
    Stock.objects.bulk_create(opened, batch_size=BATCH_ROWS)
    StockAdjustment.objects.bulk_create(
        [_opening(stock, made_by=made_by) for stock in opened if stock.total], batch_size=BATCH_ROWS
    )


def lock(product_id: int) -> Stock:
    """Lock and return the stock of one product until the transaction ends; raises `Stock.DoesNotExist`."""
    return _locked().get(pk=product_id)


def lock_all(product_ids: Iterable[int]) -> None:
    """Lock the stock of these products, in ascending id, until the transaction ends."""
    rows = Stock.objects.select_for_update(no_key=True, of=("self",)).filter(pk__in=list(product_ids))
    list(rows.order_by("pk").values_list("pk"))


def lock_for_claims(product_id: int) -> tuple[Stock, Product]:
    """Lock the stock of a published product as `lock` does; return it and the product as it is now (`locked_at`).

    Both statements go to the server together, and it runs the second one when the first has its lock: all who want
    this product wait for every round trip. Raises `Stock.DoesNotExist`, `Product.DoesNotExist`.
    """
    lock_sql, params = _locked().filter(pk=product_id).query.sql_with_params()
    started = time.perf_counter()
    with connection.cursor() as cursor:
        cursor.execute(f"{lock_sql}; {_PRODUCT}", [*params, product_id])
        metrics.STOCK_LOCK_SECONDS.observe(time.perf_counter() - started)
        return _row_of(Stock, cursor), _row_of(Product, cursor)


def reserve(stock: Stock, *, units: int, along: Statement = ("", ())) -> None:
    """Set units aside. The caller holds the row's lock and has decided that they are there.

    `along` is a statement that goes to the server with this one, such as the one that says whose units they are. Both
    are done when the transaction is about to commit.
    """
    defer_to_commit(stock.product_id, functools.partial(_write, along=along), reserved=units)


def release(product_id: int, *, units: int) -> None:
    """Give reserved units back, when the transaction is about to commit."""
    defer_to_commit(product_id, _write, reserved=-units)


def release_all(claims: Iterable[tuple[int, int]]) -> None:
    """Give back the units of many claims (product id, units): one update for each product, in ascending id."""
    units: Counter[int] = Counter()
    for product_id, quantity in claims:
        units[product_id] += quantity
    for product_id in sorted(units):
        release(product_id, units=units[product_id])


def sell(product_id: int, *, units: int) -> None:
    """Turn reserved units into sold ones, when the transaction is about to commit."""
    defer_to_commit(product_id, _write, reserved=-units, sold=units)


def sell_unreserved(stock: Stock, *, units: int) -> None:
    """Sell units that nobody has reserved. The caller holds the row's lock.

    Raises `InsufficientStock` when fewer are free.
    """
    if stock.free < units:
        raise InsufficientStock(available=stock.free)
    _write(stock.product_id, sold=units)


@retrying_transaction_once
def adjust(*, product_id: int, delta: int, reason: str, made_by: AbstractBaseUser | None = None) -> StockAdjustment:
    """Change a product's total by `delta` units and record why and by whom.

    Raises `StockBelowCommitments` when the total would fall below what is reserved and sold, or be too large to
    count, and `Stock.DoesNotExist` for an unknown product.
    """
    stock = lock(product_id)
    committed = stock.reserved + stock.sold
    if not committed <= stock.total + delta <= MAX_INTEGER:
        raise StockBelowCommitments(
            f"The total cannot become {stock.total + delta}: {stock.reserved} reserved and {stock.sold} sold units are"
            f" committed, and {MAX_INTEGER} is the most that can be counted.",
            committed=committed,
        )
    _write(product_id, total=delta)
    stock.refresh_from_db()
    events.record_on_commit("stock_adjusted", product_id=product_id, delta=delta, total=stock.total)
    return _record(stock, delta=delta, reason=reason, made_by=made_by)


def _record(stock: Stock, *, delta: int, reason: str, made_by: AbstractBaseUser | None) -> StockAdjustment:
    return StockAdjustment.objects.create(
        product_id=stock.product_id, delta=delta, reason=reason, made_by=made_by, total_after=stock.total
    )


def _opening(stock: Stock, *, made_by: AbstractBaseUser | None) -> StockAdjustment:
    return StockAdjustment(
        product_id=stock.product_id, delta=stock.total, reason=OPENING_REASON, made_by=made_by, total_after=stock.total
    )


def _locked() -> QuerySet[Stock]:
    """Return the stock to lock; what this transaction has yet to write is written first."""
    flush_deferred()
    return Stock.objects.select_for_update(no_key=True, of=("self",))


def _row_of(model: type[Row], cursor: CursorWrapper) -> Row:
    """Return the one row of the model's result as an instance; what is no field of it becomes an attribute."""
    row = _row_that_begins_with(model._meta.pk.column, cursor)
    if row is None:
        raise model.DoesNotExist
    found = dict(zip((column.name for column in cursor.description), row, strict=True))
    names = [field.column for field in model._meta.concrete_fields]
    instance = model.from_db(connection.alias, names, [found.pop(name) for name in names])
    for name, value in found.items():
        setattr(instance, name, value)
    return instance


def _row_that_begins_with(column: str, cursor: CursorWrapper) -> tuple[Any, ...] | None:
    """Return the row of the result whose first column has this name, of several statements that were sent together.

    What wraps statements, such as the history of staff's changes, may add results and leave the cursor at the last one.
    """
    cursor.set_result(0)
    while cursor.description is None or cursor.description[0].name != column:
        cursor.nextset()
    return cursor.fetchone()


def _write(
    product_id: int,
    *,
    total: int = 0,
    reserved: int = 0,
    sold: int = 0,
    along: Statement = ("", ()),
    commit: bool = False,
) -> None:
    """Add to the counters of one product, count the change, and let the kept answers know of it.

    With `commit` the transaction ends in the same round trip, so that nobody waits for this process meanwhile.
    """
    sql, params = along
    statements = [_ADD, *([sql] if sql else []), *([_MUST_EXIST, "COMMIT"] if commit else [])]
    must_exist = [product_id] if commit else []
    with connection.cursor() as cursor:
        cursor.execute("; ".join(statements), [total, reserved, sold, product_id, *params, *must_exist])
        row = _row_that_begins_with("total", cursor)
    if row is None:
        raise StockMissing(f"product {product_id} has no stock row")
    total, reserved, sold, version = row
    snapshots.write_through(Stock(product_id=product_id, total=total, reserved=reserved, sold=sold, version=version))

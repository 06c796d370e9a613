"""The only writer of `total`, `reserved` and `sold`.

Every function here runs inside its caller's transaction. The stock row is the last lock that a transaction takes, and
its UPDATE is sent with the COMMIT (`transactions.defer_to_commit`).
CHECK constraints guard every write: wrong counters raise `IntegrityError`; they are never clamped.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.db.models import QuerySet

from catalog import overdue, product_events, snapshots
from catalog.models import Product, Stock, StockAdjustment
from flashsale.core import acting, clock, events, metrics, rows
from flashsale.core.limits import MAX_INTEGER
from flashsale.core.refusals import InvalidRequest, Refusal
from flashsale.core.statements import Query, Row, Statement, array, fetch
from flashsale.core.submissions.once import retrying_transaction_once
from flashsale.core.transactions import defer_to_commit, flush_deferred

OPENING_REASON = "Opening stock"
# Rows per INSERT, so that no statement takes long.
BATCH_ROWS = 500

_ADD = """
UPDATE catalog_stock
SET total = total + %s, reserved = reserved + %s, sold = sold + %s, version = version + 1
WHERE product_id = %s
RETURNING product_id, total, reserved, sold, version
"""
# An UPDATE that matches no row raises nothing, and it is sent together with the COMMIT: the server has to check.
_ASSERT_EXISTS = """
DO $$ BEGIN
ASSERT EXISTS (SELECT FROM catalog_stock WHERE product_id = %s), 'product %s has no stock row';
END $$
"""
_PRODUCT = "SELECT *, clock_timestamp() AS read_at FROM catalog_product WHERE id = %s AND is_published"
_PRODUCTS = """
SELECT *, clock_timestamp() AS read_at FROM catalog_product WHERE id = ANY(%s::bigint[]) AND is_published
"""


class InsufficientStock(Refusal):
    """Carries `available`: the units that are left."""

    code = "insufficient_stock"
    title = "Sold out"
    is_refused_claim = True

    def __init__(self, *, available: int) -> None:
        super().__init__(f"Only {available} left." if available else "Sold out", available=available)


class StockBelowCommitments(Refusal):
    """Units that are reserved or sold cannot be subtracted from the total.

    Carries `total`, `reserved` and `sold` as they are, and `committed`: the sum of the latter two.
    """

    code = "stock_below_commitments"
    title = "More units are committed than would remain"

    def __init__(self, stock: Stock, *, delta: int) -> None:
        super().__init__(
            f"The total cannot become {stock.total + delta}. It is {stock.total}: {stock.reserved} reserved and"
            f" {stock.sold} sold units are committed.",
            total=stock.total, reserved=stock.reserved, sold=stock.sold, committed=stock.reserved + stock.sold,
        )  # fmt: skip


class StockChanged(Refusal):
    """The total is not the one that the change was meant for. Carries `total`: what it is."""

    code = "stock_changed"
    title = "The stock was changed meanwhile"


@dataclass(frozen=True)
class LockedProduct:
    """A published product and its stock, as read after the stock was locked, at database time `read_at`."""

    product: Product
    stock: Stock
    read_at: datetime


@dataclass(frozen=True, kw_only=True)
class _CounterChange:
    """Units that a transaction adds to the counters of one product; negative to subtract.

    `is_known`: the transaction has read the row.
    """

    product_id: int
    is_known: bool = False
    total: int = 0
    reserved: int = 0
    sold: int = 0

    @property
    def key(self) -> int:
        return self.product_id

    def __add__(self, later: "_CounterChange") -> "_CounterChange":
        return _CounterChange(
            product_id=self.product_id,
            is_known=self.is_known or later.is_known,
            total=self.total + later.total,
            reserved=self.reserved + later.reserved,
            sold=self.sold + later.sold,
        )

    def statements(self) -> list[Statement]:
        add = Statement(_ADD, [self.total, self.reserved, self.sold, self.product_id])
        return [add] if self.is_known else [add, Statement(_ASSERT_EXISTS, [self.product_id, self.product_id])]

    def sent(self, results: list[list[Row]]) -> None:
        [counters] = results[0]
        snapshots.write_through(Stock(**counters))


def open_stock(product: Product, *, units: int, made_by: User | None = None) -> Stock:
    """Create the counters of a new product with a total of `units`, recorded as its first adjustment."""
    stock = Stock.objects.create(product=product, total=units)
    if units:
        _adjustment(stock, delta=stock.total, reason=OPENING_REASON, made_by=made_by).save()
    return stock


def open_all(products: Iterable[tuple[Product, int]], *, made_by: User | None = None) -> None:
    """Do what `open_stock` does for new products, each given with its units."""
    opened = [Stock(product=product, total=units) for product, units in products]
    Stock.objects.bulk_create(opened, batch_size=BATCH_ROWS)
    StockAdjustment.objects.bulk_create(
        [
            _adjustment(stock, delta=stock.total, reason=OPENING_REASON, made_by=made_by)
            for stock in opened
            if stock.total
        ],
        batch_size=BATCH_ROWS,
    )


def lock(product_id: int) -> Stock:
    """Lock and return the stock of one product until the transaction ends; raises `Stock.DoesNotExist`."""
    return _locked().get(pk=product_id)


def lock_all(product_ids: Iterable[int]) -> None:
    """Lock the stock of these products, in ascending id, until the transaction ends."""
    stocks = Stock.objects.select_for_update(no_key=True, of=("self",)).filter(pk__in=list(product_ids))
    list(stocks.order_by("pk").values_list("pk"))


def lock_for_claims(product_id: int) -> LockedProduct:
    """Lock the stock of a published product as `lock` does; return both as read after the lock was acquired.

    Both SELECTs are sent in one round trip, and the server runs the second after the first has its lock: while the row
    is locked, each further round trip would delay all other claims for this product.

    Raises `Stock.DoesNotExist`, `Product.DoesNotExist`.
    """
    flush_deferred()
    started = time.perf_counter()
    stocks, products = fetch(
        rows.locking_query(Stock, "product_id = %s", [product_id]),
        Query([Statement(_PRODUCT, [product_id])], lambda results: results[0]),
    )
    metrics.STOCK_LOCK_SECONDS.observe(time.perf_counter() - started)
    if not stocks:
        raise Stock.DoesNotExist
    if not products:
        raise Product.DoesNotExist
    [product] = rows.instances(Product, products)
    return LockedProduct(product=product, stock=stocks[product_id], read_at=products[0]["read_at"])


def lock_free_for_claims(first: int, others: Iterable[int], *, wait_ms: int) -> dict[int, LockedProduct | None]:
    """Do what `lock_for_claims` does for several products in one round trip; return those that are published, by id.

    Waits at most `wait_ms` milliseconds for the stock of `first`, and for no other one: a product whose stock another
    transaction has locked is None. As nothing is waited for once a row is locked, their order cannot cause a deadlock.
    Raises `OperationalError` (a lock timeout).
    """
    flush_deferred()
    ids = array([first, *others])
    _, awaited, free, products = fetch(
        Query([Statement("SET LOCAL lock_timeout = %s", [wait_ms])], lambda _: None),
        rows.locking_query(Stock, "product_id = %s", [first]),
        rows.locking_query(Stock, "product_id = ANY(%s::bigint[])", [ids], skips_locked=True),
        Query([Statement(_PRODUCTS, [ids])], lambda results: results[0]),
    )
    stocks = awaited | free
    locked: dict[int, LockedProduct | None] = {}
    for product, row in zip(rows.instances(Product, products), products, strict=True):
        stock = stocks.get(product.pk)
        locked[product.pk] = None if stock is None else LockedProduct(product, stock, row["read_at"])
    return locked


def reserve(stock: Stock, *, units: int) -> None:
    """Reserve units when the transaction commits. The caller has locked the row and decided that they are free."""
    defer_to_commit(_CounterChange(product_id=stock.product_id, is_known=True, reserved=units))


def release(product_id: int, *, units: int) -> None:
    """Make reserved units free again when the transaction commits. Raises `AssertionFailed` where there is no row."""
    defer_to_commit(_CounterChange(product_id=product_id, reserved=-units))


def sell(product_id: int, *, units: int) -> None:
    """Turn reserved units into sold ones when the transaction commits. Raises `AssertionFailed` as `release` does."""
    defer_to_commit(_CounterChange(product_id=product_id, reserved=-units, sold=units))


def sell_all(units: Mapping[int, int]) -> None:
    """Do what `sell` does for several products, by their ids. The caller has read that each has a stock row."""
    for product_id, of_product in units.items():
        defer_to_commit(_CounterChange(product_id=product_id, is_known=True, reserved=-of_product, sold=of_product))


def sell_unreserved(stock: Stock, *, units: int) -> None:
    """Sell units that are not reserved, when the transaction commits. The caller has locked the row.

    Raises `InsufficientStock` when fewer are free.
    """
    if stock.free < units:
        raise InsufficientStock(available=stock.free)
    defer_to_commit(_CounterChange(product_id=stock.product_id, is_known=True, sold=units))


def restock(product_id: int, *, units: int) -> None:
    """Make sold units free again when the transaction commits. Raises `AssertionFailed` as `release` does."""
    defer_to_commit(_CounterChange(product_id=product_id, sold=-units))


def adjust(
    *, product_id: int, delta: int, reason: str, expected_total: int | None = None, made_by: User | None = None
) -> StockAdjustment:
    """Change a product's total by `delta` units and record why and by whom.

    Where only units of overdue holds and orders are in the way, these are reclaimed in transactions of their own, and
    the change is tried once more. Raises `StockChanged` when the total is not `expected_total` units,
    `StockBelowCommitments` when it would fall below what is reserved and sold, `InvalidRequest` when it would exceed
    `MAX_INTEGER`, and `Stock.DoesNotExist` for an unknown product.
    """

    def change(may_reclaim: bool) -> StockAdjustment:
        return _adjust(
            product_id, delta, reason=reason, expected_total=expected_total, made_by=made_by, may_reclaim=may_reclaim
        )

    return overdue.reclaiming(change)


@retrying_transaction_once
def _adjust(
    product_id: int, delta: int, *, reason: str, expected_total: int | None, made_by: User | None, may_reclaim: bool
) -> StockAdjustment:
    product_events.lock(product_id)
    stock = lock(product_id)
    if expected_total is not None and stock.total != expected_total:
        raise StockChanged(f"The total is {stock.total}, not {expected_total}.", total=stock.total)
    _check_total(stock, delta, may_reclaim=may_reclaim)
    defer_to_commit(_CounterChange(product_id=product_id, is_known=True, total=delta))
    flush_deferred()
    stock.refresh_from_db()
    events.record_on_commit("stock_adjusted", product_id=product_id, delta=delta, total=stock.total)
    adjustment = _adjustment(stock, delta=delta, reason=reason, made_by=made_by)
    adjustment.save()
    product_events.record_adjustment(adjustment)
    return adjustment


def _check_total(stock: Stock, delta: int, *, may_reclaim: bool) -> None:
    """Raise `InvalidRequest` or `StockBelowCommitments`, or `ReclaimFirst` where overdue units alone are in the way."""
    missing = stock.reserved + stock.sold - (stock.total + delta)
    if stock.total + delta > MAX_INTEGER:
        raise InvalidRequest(f"The total may be at most {MAX_INTEGER}.", pointer="#/delta", error_code="too_large")
    if may_reclaim and 0 < missing <= overdue.count(stock.product_id, at=clock.now()):
        raise overdue.ReclaimFirst(stock.product_id)
    if missing > 0:
        raise StockBelowCommitments(stock, delta=delta)


def _adjustment(stock: Stock, *, delta: int, reason: str, made_by: User | None) -> StockAdjustment:
    return StockAdjustment(
        product_id=stock.product_id, delta=delta, reason=reason, made_by=made_by, made_by_token=acting.token_name(),
        total_after=stock.total,
    )  # fmt: skip


def _locked() -> QuerySet[Stock]:
    """Return a query that locks stock rows; sends what this transaction has deferred first."""
    flush_deferred()
    return Stock.objects.select_for_update(no_key=True, of=("self",))

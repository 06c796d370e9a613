"""The statistics of a product's sale: what was made in a period, step by step, and what became of it."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from catalog import products
from catalog.models import Product
from catalog.tests.factories import ProductFactory
from checkout import holds, orders, statistics
from checkout.models import Hold, Order, RefusalCount
from checkout.statistics import counting
from checkout.tests.factories import HoldFactory, OrderFactory, let_hold_pass, let_order_pass
from flashsale.core.refusals import InvalidRequest, NotFound
from flashsale.core.transactions import Busy

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def product(db) -> Product:
    return ProductFactory(price=Decimal("29.99"), stock=20)


def paid(product: Product, quantity: int = 1) -> Order:
    order = OrderFactory(product=product, quantity=quantity)
    orders.mark_paid(orders.lock(order.pk), payment_id=None)
    return order


def made_at(row: Hold | Order, at: datetime) -> None:
    type(row).objects.filter(pk=row.pk).update(created_at=at)


def refused(product: Product, code: str, began_at: datetime, *, seconds: int = 1, claims: int = 1) -> None:
    RefusalCount.objects.create(product=product, code=code, began_at=began_at, seconds=seconds, claims=claims)


def test_everything_that_was_made_is_counted_with_what_became_of_it(product):
    HoldFactory(product=product)
    holds.release(HoldFactory(product=product).pk)
    let_hold_pass(HoldFactory(product=product))
    paid(product, quantity=3)
    orders.cancel(OrderFactory(product=product).pk)
    let_order_pass(OrderFactory(product=product))
    paid(ProductFactory())

    found = statistics.of_product(product.pk, since=timezone.now() - timedelta(days=1))

    assert found.totals == statistics.Counts(
        placed=6, holds_released=1, holds_expired=1, ordered=3, paid=1, cancelled=1, expired=1, units_sold=3,
        revenue={"USD": statistics.Revenue(Decimal("89.97"), Decimal(0))},
    )  # fmt: skip
    assert found.series is None


def test_a_series_has_a_point_for_each_step_and_adds_up_to_the_totals(product):
    for minute in (0, 0, 2, 3):
        made_at(HoldFactory(product=product), NOON + minute * MINUTE)
    made_at(paid(product), NOON + 2.5 * MINUTE)

    found = statistics.of_product(product.pk, since=NOON, until=NOON + 2.6 * MINUTE, step_seconds=60)

    assert [point.at for point in found.series] == [NOON, NOON + MINUTE, NOON + 2 * MINUTE]
    assert [(point.counts.placed, point.counts.paid) for point in found.series] == [(2, 0), (0, 0), (1, 1)]
    assert found.totals == sum((point.counts for point in found.series), statistics.Counts())


def test_refused_claims_are_counted_by_code_also_when_only_their_minute_is_known(product):
    refused(product, "insufficient_stock", NOON, claims=5)
    refused(product, "insufficient_stock", NOON - MINUTE, seconds=60, claims=7)
    refused(product, "sale_paused", NOON + MINUTE)
    refused(product, "sale_ended", NOON + 2 * MINUTE)

    found = statistics.of_product(product.pk, since=NOON - MINUTE, until=NOON + 2 * MINUTE, step_seconds=60)

    assert [dict(point.counts.refused) for point in found.series] == [
        {"insufficient_stock": 7}, {"insufficient_stock": 5}, {"sale_paused": 1},
    ]  # fmt: skip
    assert found.totals.refused == {"insufficient_stock": 12, "sale_paused": 1}


def test_amounts_of_different_currencies_are_not_added(product):
    paid(product)
    products.edit(product.pk, expected=None, changes={"price": Decimal(3000), "currency": "JPY"})
    order = paid(product)
    Order.objects.filter(pk=order.pk).update(refund="done", refunded_amount=1000)

    found = statistics.of_product(product.pk, since=timezone.now() - timedelta(days=1))

    assert found.totals.revenue == {
        "USD": statistics.Revenue(Decimal("29.99"), Decimal(0)),
        "JPY": statistics.Revenue(Decimal(3000), Decimal(1000)),
    }


def test_the_time_to_sell_out_begins_with_the_sale_or_the_first_hold(db):
    product = ProductFactory(stock=2, sale_starts_at=NOON)
    assert statistics.of_product(product.pk).time_to_sell_out is None
    first, last = HoldFactory(product=product), HoldFactory(product=product)
    made_at(first, NOON + MINUTE)
    made_at(last, NOON + 3 * MINUTE)

    assert statistics.of_product(product.pk).time_to_sell_out == 3 * MINUTE
    Product.objects.update(sale_starts_at=None)
    assert statistics.of_product(product.pk).time_to_sell_out == 2 * MINUTE
    holds.release(last.pk)
    assert statistics.of_product(product.pk).time_to_sell_out is None


@pytest.mark.parametrize(
    ("length", "step_seconds", "pointer"),
    [(timedelta(0), None, "#query/to"), (-MINUTE, 60, "#query/to"), (1_001 * MINUTE, 60, "#query/step")],
)
def test_a_period_without_an_end_or_with_too_many_steps_is_refused(product, length, step_seconds, pointer):
    with pytest.raises(InvalidRequest) as refusal:
        statistics.of_product(product.pk, since=NOON, until=NOON + length, step_seconds=step_seconds)

    assert refusal.value.pointer == pointer
    statistics.of_product(product.pk, since=NOON, until=NOON + 1_000 * MINUTE, step_seconds=60)


def test_an_unknown_product_is_not_found(db):
    with pytest.raises(NotFound):
        statistics.of_product(7)


def test_what_takes_too_long_to_count_is_given_up(product, monkeypatch):
    monkeypatch.setattr(counting, "_REFUSALS", "SELECT pg_sleep(10), %s, %s, %s, %s, %s")
    monkeypatch.setattr(counting, "COUNT_SECONDS", 0.001)

    with pytest.raises(Busy, match="shorter"):
        statistics.of_product(product.pk)


def test_each_query_reads_one_range_of_an_index(new_tables, product):
    with connection.cursor() as cursor:
        # Refused claims of many products in the same minutes, as a shop has them.
        cursor.execute("""
            INSERT INTO checkout_refusalcount (product_id, code, began_at, seconds, claims)
            SELECT id, 'sale_paused', timestamptz '2026-11-20 12:00Z' + minute * interval '1 minute', 60, 1
            FROM generate_series(1, 100) AS id, generate_series(1, 50) AS minute;
            ANALYZE checkout_refusalcount
        """)
    with CaptureQueriesContext(connection) as captured:
        statistics.of_product(product.pk, since=NOON, until=NOON + 15 * MINUTE, step_seconds=1)
    [message] = [query["sql"] for query in captured if "date_bin" in query["sql"]]

    plans = [plan_of(sql) for sql in message.split("; ") if "date_bin" in sql]

    used = {"hold_by_product": plans[0], "order_by_product": plans[1], "refusal_count_is_one": plans[2]}
    for index, plan in used.items():
        condition = next(line for line in plan.splitlines() if "Index Cond" in line)
        assert index in plan
        assert "product_id" in condition
        assert "_at <" in condition


def plan_of(sql: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {sql}")
        return "\n".join(line for (line,) in cursor.fetchall())

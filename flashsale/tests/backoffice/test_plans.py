"""With thousands of orders that match nothing in front of them, a list reads about as many rows as it shows."""

import json
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from catalog.tests.factories import ProductFactory
from checkout.models import Order
from checkout.tests.factories import OrderFactory, let_order_pass
from flashsale.tests.support.many_rows import FREE_HOLDS, multiply
from payments import refunds
from payments.models import Payment
from payments.tests.factories import receive

# More than any list shows, fewer than a table holds.
FEW_ROWS, MANY = 500, "generate_series(1, 6000) AS numbers (n)"
LATER = "one.created_at + n * interval '1 second'"


@pytest.fixture
def big_tables(db):
    """Old orders of every kind, and thousands of newer ones that are paid, each with an applied payment."""
    product = ProductFactory(stock=100)
    made = {name: OrderFactory(product=product, customer_id=name) for name in ("paid", "done", "due", "over", "new")}
    for name in ("paid", "done", "due"):
        receive(order_id=made[name].pk, payment_id=f"pi_{name}")
    for name in ("done", "due"):
        refunds.request(made[name].pk, staff=None, note="x")
    receive(status="refunded", order_id=made["done"].pk, payment_id="pi_done")
    receive(order_id=made["done"].pk, payment_id="pi_again")
    receive(status="failed", order_id=OrderFactory(product=product).pk)
    let_order_pass(made["over"])
    other = OrderFactory(product=ProductFactory(stock=10), customer_id="other")
    receive(order_id=other.pk, payment_id="pi_other")
    named = {"id": "gen_random_uuid()", "customer_id": "'customer-' || n", "idempotency_key": "NULL"}
    multiply(other.hold, numbers=MANY, **named)
    due_at = f"{LATER} + interval '900 seconds'"
    order = Order.objects.get(pk=other.pk)
    multiply(
        order, numbers=FREE_HOLDS, hold_id="free_hold", payment_id="'pi_' || n", created_at=LATER,
        payment_due_at=due_at, **named,
    )  # fmt: skip
    multiply(Payment.objects.get(payment_id="pi_other"), numbers=MANY, payment_id="'pi_' || n", created_at=LATER)
    return product


LISTS = [
    ("/orders", {}), ("/orders", {"status": "paid"}), ("/orders", {"status": "pending_payment"}),
    ("/orders", {"status": "expired"}), ("/orders", {"status": "cancelled"}), ("/orders", {"refund": "due"}),
    ("/orders", {"refund": "done"}), ("/orders", {"customer_id": "paid"}), ("/orders", {"payment_id": "pi_paid"}),
    ("/orders", {"product_id": "product"}), ("/orders", {"created_to": "2000-01-02T00:00:00Z"}),
    ("/orders", {"product_id": "product", "status": "expired", "customer_id": "over"}),
    ("/payments", {}), ("/payments", {"status": "applied"}), ("/payments", {"status": "refunded"}),
    ("/payments", {"status": "refund_due"}),
]  # fmt: skip


def test_a_list_reads_few_rows(erp, big_tables):
    read = {}
    for path, filters in LISTS:
        query = {name: big_tables.pk if value == "product" else value for name, value in filters.items()}
        with CaptureQueriesContext(connection) as sent:
            page = erp.get(path, query | {"limit": 20}).json()
            erp.get(page["next"] or path)
        statements = [one["sql"] for one in sent.captured_queries if one["sql"].startswith("SELECT")]
        read[path, str(filters)] = max(rows_read(sql) for sql in statements)

    assert {which: rows for which, rows in read.items() if rows > FEW_ROWS} == {}


def test_a_list_that_reads_a_whole_table_is_found(big_tables):
    assert rows_read("SELECT * FROM checkout_order WHERE quantity = 77") > FEW_ROWS


def rows_read(sql: str) -> int:
    """Run a statement, and return how many rows its plan read, those included that a filter removed."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON, TIMING OFF) {sql}")
        [(plans,)] = cursor.fetchall()
    return _read_by((json.loads(plans) if isinstance(plans, str) else plans)[0]["Plan"])


def _read_by(plan: dict[str, Any]) -> int:
    removed = plan.get("Rows Removed by Filter", 0) + plan.get("Rows Removed by Index Recheck", 0)
    own = (plan["Actual Rows"] + removed) * plan["Actual Loops"] if "Scan" in plan["Node Type"] else 0
    return int(own + sum(_read_by(below) for below in plan.get("Plans", ())))

"""The plans of the search's statements: with 20,000 rows none reads a table that grows with the sales as a whole."""

import uuid

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext

from checkout.models import Hold, Order, ProvedPaymentId
from checkout.tests.factories import OrderFactory
from flashsale.staff import menu
from flashsale.tests.support.many_rows import FREE_HOLDS, multiply
from payments.models import Payment, WebhookEvent
from payments.tests.factories import receive


@pytest.fixture(autouse=True)
def counted_once(monkeypatch):
    """The numbers of the menu, which count few rows of any table, stay in the cache, however slow the machine is."""
    monkeypatch.setattr(menu, "COUNTED_FOR_SECONDS", 3600)
    yield
    cache.clear()


@pytest.fixture
def order(db):
    """An order of customer-77 that pi_abcDEF paid."""
    order = OrderFactory(quantity=2, customer_id="customer-77")
    receive(key="evt_1", order_id=order.pk, payment_id="pi_abcDEF")
    return Order.objects.get()


def plans_of(client, text: str) -> dict[str, str]:
    """Search, and return the plan of each statement that was sent."""
    for _ in range(2):
        # The second time the numbers of the menu are cached.
        with CaptureQueriesContext(connection) as sent:
            client.get("/admin/search/", {"s": text})
    with connection.cursor() as cursor:
        plans = {}
        for query in sent.captured_queries:
            if query["sql"].startswith("SELECT"):
                cursor.execute(f"EXPLAIN {query['sql']}")
                plans[query["sql"]] = "\n".join(line for [line] in cursor.fetchall())
    return plans


BIG = ("checkout_hold", "checkout_order", "payments_payment", "payments_webhookevent", "checkout_provedpaymentid")


@pytest.fixture
def big_tables(order):
    """20,000 rows more in each of the tables that grow with the sales."""
    named = {"id": "gen_random_uuid()", "customer_id": "'customer-' || n", "idempotency_key": "NULL"}
    multiply(order.hold, **named)
    multiply(order, numbers=FREE_HOLDS, hold_id="free_hold", payment_id="'pi_' || n", **named)
    multiply(Payment.objects.get(), payment_id="'pi_' || n", status="'refund_due'")
    multiply(WebhookEvent.objects.get(), event_id="'evt_many_' || n")
    multiply(ProvedPaymentId.objects.get(), payment_id="'pi_' || n")


@pytest.mark.parametrize("text", ["customer-77", "pi_abcDEF", "8a757a3a", "evt_1", "1234", str(uuid.UUID(int=77))])
def test_no_search_reads_a_big_table_as_a_whole(admin_client, big_tables, text):
    plans = plans_of(admin_client, text)

    assert len(plans) > 5
    assert {sql: plan for sql, plan in plans.items() for table in BIG if f"Seq Scan on {table}" in plan} == {}


def test_a_search_that_reads_a_big_table_is_found(big_tables):
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN SELECT * FROM checkout_hold WHERE quantity = 1 LIMIT 8")
        plan = "\n".join(line for [line] in cursor.fetchall())

    assert "Seq Scan on checkout_hold" in plan
    assert Hold.objects.count() > 20_000

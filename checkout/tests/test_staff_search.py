"""Staff find holds and orders by what they have: ids, their beginnings, payment, customer, product."""

import html
import re

import pytest
from django.contrib.admin import site
from django.db import connection

from catalog.tests.factories import ProductFactory
from checkout.models import Hold, Order
from checkout.tests.factories import HoldFactory, OrderFactory
from flashsale.tests.support.admin import admin_url

pytestmark = pytest.mark.django_db
MANY = 20_000


def found(client, model, text: str) -> list:
    return [row.pk for row in client.get(admin_url(model, "changelist"), {"q": text}).context["cl"].result_list]


@pytest.fixture
def order():
    OrderFactory(product=ProductFactory(name="Gadget"), customer_id="bob", payment_id="pay_2")
    return OrderFactory(product=ProductFactory(name="Widget"), customer_id="ann", payment_id="pay_1")


@pytest.mark.parametrize(
    "written",
    [
        lambda order: str(order.pk), lambda order: order.pk.hex, lambda order: order.pk.hex[:8].upper(),
        lambda order: f"  {str(order.pk)[:13]} ", lambda order: str(order.hold_id), lambda order: order.hold_id.hex[:8],
        lambda order: "pay_1", lambda order: "ann", lambda order: str(order.product_id), lambda order: "widge",
    ],
    ids=["id", "id without dashes", "short id", "beginning", "hold", "short hold", "payment", "customer", "product",
         "product's name"],
)  # fmt: skip
def test_an_order_is_found(admin_client, order, written):
    assert found(admin_client, Order, written(order)) == [order.pk]


@pytest.mark.parametrize("text", ["an", "pay_", "1234567", "zzzzzzzz", "0" * 33, "99999", "no such product", "%", "_"])
def test_other_texts_find_nothing(admin_client, order, text):
    assert found(admin_client, Order, text) == []


def test_an_order_is_found_by_each_payment_id_that_is_proved_for_it(admin_client, order):
    Order.objects.filter(pk=order.pk).update(payment_id="claimed")

    assert found(admin_client, Order, "pay_1") == found(admin_client, Order, "claimed") == [order.pk]


def test_a_hold_is_found(admin_client):
    HoldFactory(product=ProductFactory(name="Gadget"), customer_id="bob")
    hold = HoldFactory(product=ProductFactory(name="Widget"), customer_id="ann")

    for text in (str(hold.pk), hold.pk.hex[:8], "ann", str(hold.product_id), "Widget"):
        assert found(admin_client, Hold, text) == [hold.pk]


def test_a_customer_with_the_name_of_a_product_is_found_alone(admin_client):
    named = OrderFactory(product=ProductFactory(name="Gadget"), customer_id="Widget")
    OrderFactory(product=ProductFactory(name="Widget"), customer_id="ann")

    assert found(admin_client, Order, "Widget") == [named.pk]


def test_a_search_keeps_the_filters_of_the_list(admin_client, order):
    page = admin_client.get(admin_url(Order, "changelist"), {"q": "ann", "status__exact": "paid"})

    assert list(page.context["cl"].result_list) == []


@pytest.fixture
def crowd():
    """Many holds with an order each, of one product and of many customers, counted by ANALYZE."""
    product = ProductFactory(stock=MANY)
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO checkout_hold (id, product_id, quantity, unit_price, currency, customer_id, status,
                   created_at, expires_at, ended_at)
               SELECT gen_random_uuid(), %s, 1, 10, 'USD', 'customer-' || n / 4, 'converted',
                   now() - n * interval '1 second', now() + interval '1 minute', now()
               FROM generate_series(1, %s) AS n""",
            [product.pk, MANY],
        )
        cursor.execute(
            """INSERT INTO checkout_order (id, hold_id, product_id, quantity, unit_price, total_amount, currency,
                   customer_id, status, payment_id, created_at, payment_due_at, closed_at, refund, refunded_amount)
               SELECT gen_random_uuid(), id, product_id, 1, 10, 10, 'USD', customer_id, 'cancelled', 'pay_' || id,
                   created_at, expires_at, now(), '', 0
               FROM checkout_hold""",
        )
        cursor.execute("ANALYZE checkout_hold, checkout_order")
    return ProductFactory(name="Rare")


@pytest.mark.parametrize("model", [Hold, Order])
@pytest.mark.parametrize("kind", ["id", "short id", "payment", "customer", "product", "unknown"])
def test_no_search_reads_the_whole_table(rf, crowd, model, kind):
    row = model.objects.order_by("created_at").first()
    payment = getattr(row, "payment_id", "pay_0")
    text = {
        "id": str(row.pk), "short id": row.pk.hex[:8], "payment": payment, "customer": row.customer_id,
        "product": str(crowd.pk), "unknown": "no-such-thing",
    }[kind]  # fmt: skip
    model_admin = site.get_model_admin(model)

    with connection.execute_wrapper(explained := Explained()):
        rows, _ = model_admin.get_search_results(rf.get("/"), model.objects.order_by("-created_at", "-pk"), text)
        list(rows[:25])

    assert explained.plans
    assert not [plan for plan in explained.plans if f"Seq Scan on {model._meta.db_table}" in plan]
    assert not [plan for plan in explained.plans if "_by_creation" in plan]


class Explained:
    """Keeps the plan of each statement that is executed."""

    def __init__(self) -> None:
        self.plans: list[str] = []

    def __call__(self, execute, sql, params, many, context):
        if sql.startswith("SELECT"):
            with connection.cursor() as cursor:
                cursor.cursor.execute(f"EXPLAIN {sql}", params)
                self.plans.append("\n".join(line for (line,) in cursor.cursor.fetchall()))
        return execute(sql, params, many, context)


def test_the_link_of_a_customer_leads_to_its_orders_with_any_sign_in_its_name(admin_client, product):
    order = OrderFactory(product=product, customer_id="a&b=c+d #1")
    page = admin_client.get(admin_url(Order, "change", order.pk)).content.decode()

    [query] = re.findall(r'href="[^"]*/order/(\?q=[^"]*)"', page)
    listed = admin_client.get(admin_url(Order, "changelist") + html.unescape(query))

    assert [row.pk for row in listed.context["cl"].result_list] == [order.pk]

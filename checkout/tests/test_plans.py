"""Rows of a sale are updated by their ids, also while PostgreSQL's statistics are older than the sale."""

from uuid import uuid4

import pytest
from django.db import connection
from django.utils import timezone

from catalog.tests.factories import ProductFactory
from checkout import holds, orders
from checkout.holds import ending
from checkout.holds.requests import HoldRequest
from checkout.orders import OrderRequest, transitions
from flashsale.core.statements import array

pytestmark = pytest.mark.django_db(transaction=True)

MANY = 300


@pytest.fixture(autouse=True)
def crowd():
    """Many active holds and pending orders, which no ANALYZE has counted."""
    product = ProductFactory(stock=2 * MANY)
    requests = [HoldRequest(quantity=1) for _ in range(2 * MANY)]
    placed = holds.place_batch(product_id=product.pk, requests=requests)
    orders.place_batch([OrderRequest(hold_id=view.hold.pk) for view in placed[:MANY]])


def plan_of(sql: str, params: list) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {sql}", params)
        return "\n".join(line for (line,) in cursor.fetchall())


def test_a_hold_is_converted_by_its_id():
    assert "checkout_hold_pkey" in plan_of(ending._END, ["converted", timezone.now(), array([uuid4()])])


def test_an_order_is_paid_by_its_id():
    assert "checkout_order_pkey" in plan_of(transitions._PAY_ALL, [timezone.now(), array([uuid4()]), array(["pay_1"])])

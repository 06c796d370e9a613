"""Units of a paid order go back on sale: the counters, the audit and the customer's limit follow."""

import pytest
from django.db import IntegrityError, connection, transaction

from catalog.models import Stock
from catalog.sales import LimitExceeded
from catalog.tests.factories import ProductFactory
from checkout import audit, holds, orders
from checkout.models import Order
from checkout.tests.factories import OrderFactory
from flashsale.core.transactions import retrying_transaction

pytestmark = pytest.mark.django_db


@retrying_transaction
def pay(order: Order) -> None:
    orders.mark_paid(orders.lock(order.pk), payment_id="pay_1")


@retrying_transaction
def restock(order: Order, *, units: int) -> None:
    orders.restock(orders.lock(order.pk), units=units)


@pytest.fixture
def paid() -> Order:
    """A paid order of three of ten units, by a customer who may have four."""
    order = OrderFactory(product=ProductFactory(max_per_customer=4), quantity=3, customer_id="ann")
    pay(order)
    return order


def sold() -> tuple[int, int]:
    """Return the units that are sold, and those of the order that were put back."""
    return Stock.objects.get().sold, Order.objects.get().restocked_units


def test_units_that_are_put_back_are_no_longer_sold(paid):
    restock(paid, units=1)
    restock(paid, units=2)

    assert sold() == (0, 3)
    assert (Order.objects.get().status, Order.objects.get().quantity) == ("paid", 3)
    assert audit.find_drift() == []


def test_no_more_are_put_back_than_the_order_has(paid):
    restock(paid, units=1)

    with pytest.raises(orders.RestockTooLarge) as refused:
        restock(paid, units=3)

    assert refused.value.extra == {"quantity": 3, "restocked": 1}
    assert sold() == (2, 1)
    assert audit.find_drift() == []


def test_units_of_an_order_that_is_not_paid_are_not_sold(product):
    order = OrderFactory(product=product, quantity=3)

    with pytest.raises(orders.OrderNotPaid):
        restock(order, units=1)

    assert (Stock.objects.get().reserved, sold()) == (3, (0, 0))


def test_the_customers_limit_counts_what_the_customer_still_has(paid):
    restock(paid, units=1)

    assert holds.place(product_id=paid.product_id, quantity=2, customer_id="ann").quantity == 2
    with pytest.raises(LimitExceeded):
        holds.place(product_id=paid.product_id, quantity=1, customer_id="ann")


def test_the_audit_finds_units_that_were_put_back_only_in_the_order(paid):
    Order.objects.update(restocked_units=1)

    [drift] = audit.find_drift()

    assert (drift.sold, drift.sold_expected) == (3, 2)


@pytest.mark.parametrize("units", [-1, 4])
def test_the_database_refuses_other_numbers(paid, units):
    with pytest.raises(IntegrityError, match="order_restocks_units_that_it_sold"), transaction.atomic():
        connection.cursor().execute("UPDATE checkout_order SET restocked_units = %s", [units])

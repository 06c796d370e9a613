"""Batches that touch several stocks lock them in ascending id, whatever the order of their events and requests."""

import pytest

from catalog import inventory
from catalog.tests.factories import ProductFactory
from checkout import audit, orders
from checkout.models import Order
from checkout.orders import placing
from checkout.orders.requests import OrderRequest
from checkout.tests.factories import HoldFactory, OrderFactory, let_order_pass
from flashsale.core import transactions
from flashsale.tests.support.racing import Meeting, at_once
from payments.inbox import processing
from payments.models import WebhookEvent
from payments.tests.factories import receive
from payments.tests.support.inbox import stored

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def retries(monkeypatch) -> list[str]:
    """The events of transactions that were begun again."""
    noted = []
    monkeypatch.setattr(transactions.events, "record", lambda event, **_: noted.append(event))
    return noted


@pytest.fixture
def products(db):
    return [ProductFactory(), ProductFactory()]


def let_both_have_one(monkeypatch, verb: str) -> None:
    """Let a transaction that did `verb` to one stock wait until the other did it to another one, or is blocked."""
    monkeypatch.setattr(inventory, verb, Meeting(2).after(getattr(inventory, verb)))


def late_payment(product, number: int) -> WebhookEvent:
    """Store, but do not process, a payment that comes after its order's payment window."""
    order = OrderFactory(product=product)
    let_order_pass(order)
    return stored(order_id=order.pk, payment_id=f"pay_{product.pk}_{number}")


def _two_batches_of_late_payments(products, monkeypatch) -> None:
    low, high = products
    downwards = [late_payment(high, 1), late_payment(low, 1)]
    upwards = [late_payment(low, 2), late_payment(high, 2)]
    let_both_have_one(monkeypatch, "lock")

    at_once(lambda: processing.process(downwards), lambda: processing.process(upwards))


def test_late_payments_lock_their_stocks_in_ascending_id(products, monkeypatch, retries):
    _two_batches_of_late_payments(products, monkeypatch)

    assert "lock_retry" not in retries
    assert {order.status for order in Order.objects.all()} == {"paid"}
    assert audit.find_drift() == []


def test_control_without_locking_the_stocks_first_late_payments_deadlock(products, monkeypatch, retries):
    monkeypatch.setattr(orders, "lock_stocks", lambda order_ids: None)

    _two_batches_of_late_payments(products, monkeypatch)

    assert "lock_retry" in retries


def _two_batches_of_orders_whose_payments_came_before_them(products, monkeypatch) -> None:
    low, high = products

    def wanted(product) -> OrderRequest:
        hold = HoldFactory(product=product)
        receive(hold_id=hold.pk, payment_id=f"pay_{hold.pk}")
        return OrderRequest(hold_id=hold.pk)

    downwards, upwards = [wanted(high), wanted(low)], [wanted(low), wanted(high)]
    let_both_have_one(monkeypatch, "sell")

    at_once(lambda: orders.place_batch(downwards), lambda: orders.place_batch(upwards))


def test_orders_whose_payments_came_before_them_write_to_their_stocks_in_ascending_id(products, monkeypatch, retries):
    _two_batches_of_orders_whose_payments_came_before_them(products, monkeypatch)

    assert "lock_retry" not in retries
    assert {order.status for order in Order.objects.all()} == {"paid"}
    assert audit.find_drift() == []


def test_control_in_the_order_of_their_requests_such_orders_deadlock(products, monkeypatch, retries):
    monkeypatch.setattr(placing, "sorted", lambda requests, key: requests, raising=False)

    _two_batches_of_orders_whose_payments_came_before_them(products, monkeypatch)

    assert "lock_retry" in retries

"""Late payments at the moment when their orders expire or their units are wanted by others."""

import pytest
from django.db import OperationalError

from catalog import inventory
from catalog.models import Stock
from catalog.tests.factories import ProductFactory
from checkout import audit, holds, orders
from checkout.models import Order
from checkout.orders import ending
from checkout.tests.factories import OrderFactory, let_order_pass
from flashsale.core import transactions
from flashsale.tests.support.racing import Meeting, at_once, replace, times
from payments.tests.factories import receive
from payments.tests.support.inbox import separate_processes
from payments.tests.support.orders import payments, units

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def processes(monkeypatch):
    """Each thread stands for a process of its own."""
    separate_processes(monkeypatch)


def _a_payment_and_the_expiry_of_its_order(monkeypatch) -> tuple[str, object]:
    # A deadlock is not tried again here, so that it shows.
    monkeypatch.setattr(transactions, "MAX_ATTEMPTS", 1)
    order = OrderFactory(quantity=2)
    let_order_pass(order)
    lock, meeting = orders.lock, Meeting(2)

    def lock_and_wait(order_id):
        locked = lock(order_id)
        meeting.wait()
        # Until the expiry is done, or waits for this row.
        meeting.wait()
        return locked

    def expire() -> int:
        meeting.wait()
        return orders.reclaim(order.product_id)

    replace(monkeypatch, lock, lock_and_wait)
    receipt, expired = at_once(lambda: receive(order_id=order.pk, payment_id="pay_1"), expire)
    return receipt.event.status, expired


def test_a4_a_payment_and_the_expiry_of_its_order_wait_for_each_other_in_one_order(monkeypatch):
    assert _a_payment_and_the_expiry_of_its_order(monkeypatch) == ("applied", 0)
    assert payments() == ["applied"]
    assert audit.find_drift() == []


def test_control_with_the_stock_locked_before_the_order_they_deadlock(monkeypatch):
    expire = ending._expire

    def stock_first(locked, *, now) -> int:
        inventory.lock(Stock.objects.get().pk)
        return expire(locked, now=now)

    monkeypatch.setattr(ending, "_expire", stock_first)

    paid, expired = _a_payment_and_the_expiry_of_its_order(monkeypatch)

    assert paid == "failed" or isinstance(expired, OperationalError)


def test_payments_racing_with_expiry_lose_no_money():
    """Stress without a control of its own: the order of the locks has one above."""
    product = ProductFactory(stock=10)
    made = [OrderFactory(product=product) for _ in range(10)]
    for order in made:
        let_order_pass(order)

    results = at_once(
        *(lambda o=o, n=n: receive(order_id=o.pk, payment_id=f"pay_{n}") for n, o in enumerate(made)),
        *times(3, orders.expire_due),
    )

    assert {receipt.event.status for receipt in results[:10]} == {"applied"}
    assert payments() == ["applied"] * 10
    assert units(product) == (0, 10)
    assert audit.find_drift() == []


def test_a_late_payment_and_a_claim_for_the_same_units_share_nothing():
    """Either may win; that the stock's lock decides is controlled in checkout/tests/test_races.py."""
    product = ProductFactory(stock=2)
    order = OrderFactory(product=product, quantity=2)
    let_order_pass(order)
    results = at_once(
        lambda: receive(order_id=order.pk, payment_id="pay_1"),
        lambda: holds.place(product_id=product.pk, quantity=2),
    )

    is_paid = Order.objects.get().status == "paid"
    assert type(results[1]).__name__ == ("InsufficientStock" if is_paid else "Hold")
    assert payments() == ["applied" if is_paid else "refund_due"]
    assert units(product) == ((0, 2) if is_paid else (2, 0))
    assert audit.find_drift() == []

"""Refunds that staff ask for, at the same moment as anything else that touches the order, its money or its units."""

from decimal import Decimal

import pytest

from catalog.tests.factories import ProductFactory
from checkout import audit, holds, orders
from checkout.models import Order
from checkout.tests.factories import OrderFactory, let_order_pass
from flashsale.core import transactions
from flashsale.tests.support.racing import Meeting, at_once, counts, replace, times, without_row_locks
from payments import payment_records, refunds
from payments.models import Payment, RefundRequest
from payments.tests.factories import receive
from payments.tests.support.inbox import separate_processes
from payments.tests.support.orders import units

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def processes(monkeypatch):
    """Each thread stands for a process of its own."""
    separate_processes(monkeypatch)


@pytest.fixture
def paid() -> Payment:
    """The payment of 59.98 USD that bought two of ten units."""
    order = OrderFactory(product=ProductFactory(stock=10), quantity=2)
    receive(order_id=order.pk, payment_id="pay_1")
    return Payment.objects.get()


def ask(payment: Payment, amount: str | None = None, **wanted):
    """Ask for a refund of the payment's order."""
    part = None if amount is None else Decimal(amount)
    return lambda: refunds.request(payment.order_id, amount=part, staff=None, note="Ticket 17", **wanted)


def back(payment: Payment) -> tuple[Decimal, Decimal]:
    """What was given back of a payment, and what is due."""
    payment.refresh_from_db()
    return payment.refunded_amount, payment.amount_due


def _all_asked_for_twice_at_once(paid, monkeypatch) -> list:
    replace(monkeypatch, payment_records.lock, Meeting(2).after(payment_records.lock))
    return at_once(*times(2, ask(paid)))


def test_all_that_is_asked_for_twice_at_once_is_given_back_once(paid, monkeypatch):
    results = _all_asked_for_twice_at_once(paid, monkeypatch)

    assert counts(results) == {"RefundRequest": 1, "NothingToRefund": 1}
    assert back(paid) == (0, Decimal("59.98"))
    assert audit.find_drift() == []


def test_control_without_the_locks_all_is_promised_twice(paid, monkeypatch):
    without_row_locks(monkeypatch, Order, Payment)

    assert counts(_all_asked_for_twice_at_once(paid, monkeypatch)) == {"RefundRequest": 2}


def _all_units_put_back_twice_at_once(paid, monkeypatch) -> list:
    # Units of another order are sold, so that the CHECK constraint alone would not stop the second.
    other = OrderFactory(product=paid.order.product, quantity=4)
    receive(order_id=other.pk, payment_id="pay_2")
    replace(monkeypatch, orders.restock, Meeting(2).before(orders.restock))
    return at_once(*times(2, ask(paid, "0", restock_units=2)))


def test_all_units_that_are_put_back_twice_at_once_come_back_once(paid, monkeypatch):
    results = _all_units_put_back_twice_at_once(paid, monkeypatch)

    assert counts(results) == {"RefundRequest": 1, "RestockTooLarge": 1}
    assert units(paid.order.product) == (0, 4)
    assert audit.find_drift() == []


def test_control_without_the_orders_lock_they_come_back_twice(paid, monkeypatch):
    without_row_locks(monkeypatch, Order)

    _all_units_put_back_twice_at_once(paid, monkeypatch)

    assert units(paid.order.product) == (0, 2)
    assert audit.find_drift() != []


def _staff_and_an_event_at_once(paid, monkeypatch) -> list:
    replace(monkeypatch, payment_records.lock, Meeting(2).after(payment_records.lock))
    return at_once(
        ask(paid, "20.00", already_done=True),
        lambda: receive(status="refunded", order_id=paid.order_id, payment_id="pay_1", amount="20.00"),
    )


def test_what_staff_and_an_event_record_at_once_adds_up(paid, monkeypatch):
    results = _staff_and_an_event_at_once(paid, monkeypatch)

    assert counts(results) == {"RefundRequest": 1, "Receipt": 1}
    assert back(paid) == (40, 0)
    assert Order.objects.get().refunded_amount == 40


def test_control_without_the_locks_one_of_them_is_lost(paid, monkeypatch):
    without_row_locks(monkeypatch, Order, Payment)

    _staff_and_an_event_at_once(paid, monkeypatch)

    assert back(paid)[0] == 20


def test_two_members_of_staff_who_mark_a_part_at_once_record_it_once(paid):
    """Stress without a control of its own: the payment's lock has one above."""
    ask(paid, "20.00")()

    results = at_once(*times(4, lambda: refunds.mark_refunded(paid, staff=None, note="by bank transfer")))

    assert counts(results) == {"Payment": 1, "AlreadyRefunded": 3}
    assert back(paid) == (20, 0)


def test_units_that_are_put_back_are_granted_to_one_claim():
    """That the stock's lock decides is controlled in checkout/tests/test_races.py."""
    product = ProductFactory(stock=1)
    order = OrderFactory(product=product)
    receive(order_id=order.pk, payment_id="pay_1")

    results = at_once(
        *times(6, lambda: holds.place(product_id=product.pk, quantity=1)),
        ask(Payment.objects.get(), restock_units=1),
    )

    held, sold = units(product)
    assert (held, sold) == (counts(results).get("Hold", 0), 0)
    assert held <= 1
    assert audit.find_drift() == []


def test_a_late_payment_takes_units_that_are_put_back_or_is_due_for_refund():
    """Either may come first; the order of the locks has a control below."""
    product = ProductFactory(stock=2)
    late = OrderFactory(product=product, quantity=2)
    let_order_pass(late)
    orders.expire_due()
    sold = OrderFactory(product=product, quantity=2)
    receive(order_id=sold.pk, payment_id="pay_1")

    results = at_once(
        ask(Payment.objects.get(), restock_units=2), lambda: receive(order_id=late.pk, payment_id="pay_2")
    )

    is_paid = Order.objects.get(pk=late.pk).status == "paid"
    assert counts(results) == {"RefundRequest": 1, "Receipt": 1}
    assert Payment.objects.get(payment_id="pay_2").status == ("applied" if is_paid else "refund_due")
    assert units(product) == (0, 2 if is_paid else 0)
    assert audit.find_drift() == []


@pytest.mark.parametrize("is_overdue", [False, True])
def test_a_refund_asked_for_while_the_order_is_being_paid_or_cancelled_is_made_or_refused(is_overdue):
    """Any may come first; the order's lock has a control above."""
    order = OrderFactory(quantity=2)
    if is_overdue:
        let_order_pass(order)

    results = at_once(
        lambda: receive(order_id=order.pk, payment_id="pay_1"),
        lambda: orders.cancel(order.pk),
        lambda: refunds.request(order.pk, restock_units=2, staff=None, note="Ticket 17"),
    )

    order.refresh_from_db()
    is_refunded = isinstance(results[2], RefundRequest)
    assert is_refunded or isinstance(results[2], orders.OrderNotPaid)
    assert order.status == "paid" or not is_refunded
    assert units(order.product) == (0, 2 if order.status == "paid" and not is_refunded else 0)
    assert order.refund == ("due" if is_refunded or order.status == "cancelled" else "")
    assert audit.find_drift() == []


def test_refunds_events_and_claims_of_one_product_do_not_deadlock(monkeypatch):
    """Stress without a control: the stock, locked last, is held by none that waits for an order or a payment."""
    # A deadlock is not tried again here, so that it shows.
    monkeypatch.setattr(transactions, "MAX_ATTEMPTS", 1)
    product = ProductFactory(stock=8)
    for number in range(4):
        receive(order_id=OrderFactory(product=product, quantity=2).pk, payment_id=f"pay_{number}")
    all_paid = list(Payment.objects.order_by("pk"))

    def give_back(payment):
        names = {"order_id": payment.order_id, "payment_id": payment.payment_id}
        return lambda: receive(status="refunded", amount="5.00", **names)

    results = at_once(
        *(ask(payment, "20.00", restock_units=1) for payment in all_paid),
        *(give_back(payment) for payment in all_paid),
        *times(2, lambda: holds.place(product_id=product.pk, quantity=1)),
    )

    assert counts(results[:8]) == {"RefundRequest": 4, "Receipt": 4}
    assert set(counts(results[8:])) <= {"Hold", "InsufficientStock"}
    assert {back(payment) for payment in all_paid} <= {(5, 15), (5, 20)}
    assert units(product) == (counts(results).get("Hold", 0), 4)
    assert audit.find_drift() == []


def test_a_request_that_dies_before_its_commit_leaves_no_trace(paid, monkeypatch):
    class Killed(BaseException):
        pass

    def die(**_columns):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(RefundRequest.objects, "create", die)
        with pytest.raises(Killed):
            ask(paid, "20.00", restock_units=1, already_done=True)()

    assert back(paid) == (0, 0)
    assert units(paid.order.product) == (0, 2)
    assert (Order.objects.get().restocked_units, Order.objects.get().refund) == (0, "")

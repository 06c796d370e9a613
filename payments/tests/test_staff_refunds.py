"""Refunds that staff ask for: of a paid order, whole or in part, with or without putting units back on sale."""

from decimal import Decimal

import pytest

from catalog.sales import LimitExceeded
from catalog.tests.factories import ProductFactory
from checkout import audit, holds, orders
from checkout.models import Order
from checkout.tests.factories import HoldFactory, OrderFactory
from flashsale.core.refusals import InvalidRequest, NotFound
from flashsale.simulation import verdict
from flashsale.tests.support.commands import run
from payments import payment_records, refunds
from payments.models import Payment, RefundRequest
from payments.tests.factories import receive
from payments.tests.support.orders import make_order, units
from payments.tests.support.refunding import state


@pytest.fixture(autouse=True)
def books(db):
    """Afterwards the books are right."""
    yield
    assert audit.find_drift() == []


@pytest.fixture
def paid(product) -> Payment:
    """The payment of 59.98 USD that bought two units."""
    return make_order(product, "paid").payments.get()


@pytest.fixture
def ask(paid, admin_user):
    """Ask for a refund of that payment's order."""
    return lambda amount=None, **wanted: refunds.request(
        paid.order_id, amount=None if amount is None else Decimal(amount), staff=admin_user, note="Ticket 17", **wanted
    )


def before_and_after(paid: Payment) -> tuple:
    """Everything that a refund changes."""
    order = Order.objects.get(pk=paid.order_id)
    return state(paid), paid.refund_target, order.restocked_units, units(order.product), RefundRequest.objects.count()


def test_a_whole_refund_becomes_due_and_the_units_stay_sold(paid, ask, admin_user):
    made = ask()

    assert state(paid) == ("applied", "due", "0")
    assert (paid.amount_due, paid.amount_left) == (Decimal("59.98"), 0)
    assert units(paid.order.product) == (0, 2)
    assert (made.amount, made.restocked_units, made.by_other_means) == (Decimal("59.98"), 0, False)
    assert (made.payment, made.requested_by, made.note) == (paid, admin_user, "Ticket 17")
    assert str(made) == "refund of 59.98 USD requested"


def test_a_part_is_due_until_an_event_gives_it_back(paid, ask):
    ask("20.00")
    due = (state(paid), paid.amount_due)

    receive(status="refunded", order_id=paid.order_id, payment_id="pay_1", amount="20.00")

    assert due == (("applied", "due", "0"), Decimal("20.00"))
    assert state(paid) == ("applied", "done", "20")
    assert (paid.amount_due, paid.amount_left) == (0, Decimal("39.98"))


def test_a_part_of_what_is_due_may_come_back_first(paid, ask):
    ask("20.00")

    receive(status="refunded", order_id=paid.order_id, payment_id="pay_1", amount="5.00")

    assert state(paid) == ("applied", "due", "5")
    assert paid.amount_due == 15


@pytest.mark.parametrize(
    ("asked_for", "after"), [("20.00", ("applied", "done", "20")), (None, ("refunded", "done", "59.98"))]
)
def test_an_event_without_an_amount_speaks_of_what_is_due(paid, ask, asked_for, after):
    ask(asked_for)

    receive(status="refunded", order_id=paid.order_id, payment_id="pay_1")

    assert state(paid) == after


def test_parts_add_up_to_the_whole_payment(paid, ask):
    ask("20.00")
    ask("10.00")
    receive(status="refunded", order_id=paid.order_id, payment_id="pay_1", amount="25.00")
    ask()

    assert paid.refund_requests.count() == 3
    assert state(paid) == ("applied", "due", "25")
    receive(status="refunded", order_id=paid.order_id, payment_id="pay_1", amount="34.98")
    assert state(paid) == ("refunded", "done", "59.98")


def test_what_was_given_back_unasked_is_not_asked_for_again(paid, ask):
    receive(status="refunded", order_id=paid.order_id, payment_id="pay_1", amount="15.00")

    ask("20.00")

    assert state(paid) == ("applied", "due", "15")
    assert (paid.amount_due, paid.amount_left) == (20, Decimal("24.98"))


def test_money_that_was_given_back_already_is_recorded_at_once(paid, ask, admin_user):
    made = ask("20.00", already_done=True)

    assert state(paid) == ("applied", "done", "20")
    assert (paid.amount_due, paid.refunded_by, paid.refunded_note) == (0, admin_user, "Ticket 17")
    assert str(made) == "20.00 USD recorded as given back"


def test_what_was_given_back_already_leaves_due_what_is_due(paid, ask):
    ask("20.00")

    ask("10.00", already_done=True)

    assert state(paid) == ("applied", "due", "10")
    assert paid.amount_due == 20


@pytest.mark.parametrize("quantity", [1, 2])
def test_units_that_are_put_back_are_sold_again(paid, ask, quantity):
    made = ask(restock_units=quantity)

    product = paid.order.product
    assert units(product) == (0, 2 - quantity)
    assert Order.objects.get().restocked_units == quantity
    assert (Order.objects.get().status, Order.objects.get().quantity) == ("paid", 2)
    HoldFactory(product=product, quantity=8 + quantity)
    assert str(made).endswith("1 unit put back on sale" if quantity == 1 else "2 units put back on sale")


def test_units_may_be_put_back_without_money_also_later(paid, ask):
    ask(already_done=True)

    made = ask("0", restock_units=1)

    assert (made.amount, made.restocked_units, str(made)) == (0, 1, "1 unit put back on sale")
    assert state(paid) == ("refunded", "done", "59.98")
    assert units(paid.order.product) == (0, 1)


def test_units_that_were_put_back_no_longer_count_for_the_customers_limit(admin_user):
    product = ProductFactory(max_per_customer=2)
    order = OrderFactory(product=product, quantity=2, customer_id="ann")
    receive(order_id=order.pk, payment_id="pay_1")
    with pytest.raises(LimitExceeded):
        holds.place(product_id=product.pk, quantity=1, customer_id="ann")

    refunds.request(order.pk, restock_units=1, staff=admin_user, note="Ticket 17")

    assert holds.place(product_id=product.pk, quantity=1, customer_id="ann").quantity == 1
    with pytest.raises(LimitExceeded):
        holds.place(product_id=product.pk, quantity=1, customer_id="ann")


def test_a_simulated_sale_accounts_for_units_that_were_put_back(paid, ask):
    ask("20.00", restock_units=1)

    books = verdict.read_books(paid.order.product_id)

    assert (books.sold, books.free, books.refunds_due) == (1, 9, 1)
    assert verdict._units(paid.order.product_id) == []


@pytest.mark.parametrize("order_state", ["pending", "overdue", "expired", "cancelled"])
def test_an_order_that_is_not_paid_is_not_refunded(product, admin_user, order_state):
    order = make_order(product, order_state)
    before = units(product)

    with pytest.raises(orders.OrderNotPaid):
        refunds.request(order.pk, staff=admin_user, note="Ticket 17")

    assert units(product) == before
    assert not RefundRequest.objects.exists()


@pytest.mark.parametrize(
    ("wanted", "refusal"),
    [
        ({"amount": "59.99"}, refunds.RefundTooLarge),
        ({"amount": "59.99", "restock_units": 2}, refunds.RefundTooLarge),
        ({"amount": "0"}, refunds.NothingToRefund),
        ({"amount": "0.001"}, InvalidRequest),
        ({"amount": "-1"}, InvalidRequest),
        ({"amount": "NaN"}, InvalidRequest),
        ({"restock_units": 3}, orders.RestockTooLarge),
        ({"restock_units": -1}, InvalidRequest),
        ({"expected_left": Decimal("39.98")}, refunds.RefundChanged),
        ({"restock_units": 1, "expected_restocked": 1}, refunds.RefundChanged),
    ],
)
def test_a_refusal_changes_nothing(paid, ask, wanted, refusal):
    before = before_and_after(paid)

    with pytest.raises(refusal):
        ask(**wanted)

    assert before_and_after(paid) == before


def test_more_than_is_left_is_refused_with_the_numbers(paid, ask):
    receive(status="refunded", order_id=paid.order_id, payment_id="pay_1", amount="10.00")
    ask("20.00")

    with pytest.raises(refunds.RefundTooLarge) as refused:
        ask("29.99")

    numbers = {"paid": "59.98", "refunded": "10.00", "due": "20.00", "currency": "USD"}
    assert (refused.value.code, refused.value.extra) == ("refund_too_large", numbers)
    assert "At most 29.98 USD" in str(refused.value)


def test_units_are_put_back_once(paid, ask):
    ask(restock_units=2)

    with pytest.raises(orders.RestockTooLarge) as refused:
        ask("0", restock_units=1)

    assert refused.value.extra == {"quantity": 2, "restocked": 2}
    assert units(paid.order.product) == (0, 0)


def test_all_is_asked_for_once(paid, ask):
    ask()

    with pytest.raises(refunds.NothingToRefund):
        ask()

    assert paid.refund_requests.count() == 1


def test_a_refund_decided_on_other_numbers_is_refused(paid, ask):
    ask("20.00", expected_left=Decimal("59.98"))

    with pytest.raises(refunds.RefundChanged, match=r"39\.98 USD"):
        ask("20.00", expected_left=Decimal("59.98"))

    ask("20.00", expected_left=Decimal("39.98"))
    paid.refresh_from_db()
    assert paid.amount_due == 40


def test_another_payment_of_the_order_is_due_as_a_whole_already(paid, ask):
    receive(order_id=paid.order_id, payment_id="pay_2")
    second = Payment.objects.get(payment_id="pay_2")

    with pytest.raises(refunds.RefundTooLarge):
        ask("1.00", payment=second)

    assert (second.amount_due, paid.amount_due) == (Decimal("59.98"), 0)


def test_the_payment_of_another_order_is_unknown(paid, ask, product):
    other = OrderFactory(product=product)
    receive(order_id=other.pk, payment_id="pay_9")

    with pytest.raises(NotFound):
        ask(payment=Payment.objects.get(payment_id="pay_9"))

    assert not RefundRequest.objects.exists()


@pytest.mark.parametrize(
    ("currency", "price", "part", "bad"), [("JPY", "500", "300", "0.5"), ("KWD", "1.250", "0.005", "0.0005")]
)
def test_an_amount_has_its_currencys_decimals(admin_user, currency, price, part, bad):
    order = OrderFactory(product=ProductFactory(price=price, currency=currency))
    receive(order_id=order.pk, payment_id="pay_1")

    with pytest.raises(InvalidRequest, match=f"in {currency}"):
        refunds.request(order.pk, amount=Decimal(bad), staff=admin_user, note="Ticket 17")
    made = refunds.request(order.pk, amount=Decimal(part), staff=admin_user, note="Ticket 17")

    assert str(made) == f"refund of {part} {currency} requested"


def test_marking_records_what_is_due_and_not_the_rest(paid, ask, admin_user):
    ask("20.00")

    refunds.mark_refunded(paid, staff=admin_user, note="by bank transfer")

    assert state(paid) == ("applied", "done", "20")
    assert (paid.refunded_by, paid.refunded_note) == (admin_user, "by bank transfer")
    marked = paid.refund_requests.last()
    assert (marked.amount, marked.by_other_means, marked.note) == (20, True, "by bank transfer")


def test_of_two_members_of_staff_who_mark_a_part_one_is_told_that_it_was_done(paid, ask, admin_user):
    ask("20.00")
    refunds.mark_refunded(paid, staff=admin_user, note="by bank transfer")

    with pytest.raises(refunds.AlreadyRefunded):
        refunds.mark_refunded(paid, staff=admin_user, note="in cash")

    assert state(paid) == ("applied", "done", "20")


def test_a_part_that_is_due_is_listed_with_the_time_of_the_request(paid, ask):
    made = ask("20.00")

    line = run("refunds_due").splitlines()[1].split("\t")

    assert line == ["pay_1", str(paid.order_id), "20.00", "USD", made.created_at.isoformat(timespec="seconds")]


def test_what_is_due_is_found_once_and_no_longer_when_it_was_given_back(paid, ask, admin_user):
    assert not payment_records.due().exists()
    ask("20.00")
    receive(order_id=paid.order_id, payment_id="pay_2")

    due = [payment.payment_id for payment in payment_records.due().order_by("pk")]

    for payment in payment_records.due():
        refunds.mark_refunded(payment, staff=admin_user, note="by bank transfer")
    assert due == ["pay_1", "pay_2"]
    assert not payment_records.due().exists()

"""The admin says what was paid for an order and given back: of its own payment, and of others, in each currency."""

import csv
import io

import pytest

from catalog.models import Product
from catalog.tests.factories import ProductFactory
from checkout import orders
from checkout.models import Order
from checkout.tests.factories import OrderFactory
from flashsale.core.moments import written as moment_text
from flashsale.tests.support.admin import admin_url, decide
from payments import order_money, refunds
from payments.models import Payment
from payments.tests.factories import receive

pytestmark = pytest.mark.django_db


@pytest.fixture
def order() -> Order:
    """An order of one unit for 29.99 USD."""
    return OrderFactory(product=ProductFactory(price="29.99"), quantity=1)


@pytest.fixture
def charged_twice(order) -> Order:
    """Payment pay_A bought it, and pay_B, which is due for refund, came later."""
    receive(order_id=order.pk, payment_id="pay_A")
    receive(order_id=order.pk, payment_id="pay_B")
    return order


def mark(client, payment_id: str) -> None:
    decide(client, Payment.objects.get(payment_id=payment_id), "mark_refunded", note="By bank transfer")


def status_of(client, order: Order) -> str:
    return client.get(admin_url(Order, "change", order.pk)).context["status"]


def paid_sentence(order: Order, *, paid: str, back: str) -> str:
    order = orders.get(order.pk).order
    return f"Paid {paid} at {moment_text(order.paid_at)}; {back}."


def label_of(order: Order) -> str:
    return (order_money.read(Order.objects.get(pk=order.pk)).label or ("", ""))[1]


def found(client, state: str) -> int:
    return len(client.get(admin_url(Order, "changelist"), {"refund": state}).context["cl"].result_list)


def revenue_of(client, order: Order) -> list[str]:
    figures = client.get(admin_url(Product, "change", order.product_id)).context["figures"]
    return [figure.value for figure in figures if figure.name == "Revenue"]


def test_an_order_whose_other_payment_was_given_back_is_not_refunded(admin_client, charged_twice):
    mark(admin_client, "pay_B")

    assert status_of(admin_client, charged_twice) == paid_sentence(
        charged_twice,
        paid="29.99 USD",
        back="nothing was given back; of another payment of 29.99 USD, 29.99 USD was given back",
    )
    assert label_of(charged_twice) == "other payment refunded"
    assert (found(admin_client, "done"), found(admin_client, "some"), found(admin_client, "other")) == (0, 0, 1)
    assert revenue_of(admin_client, charged_twice) == ["29.99 USD taken, 29.99 USD of other payments given back"]


def test_it_is_refunded_when_the_payment_that_bought_it_is_given_back(admin_client, charged_twice):
    mark(admin_client, "pay_B")
    mark(admin_client, "pay_A")

    assert "; 29.99 USD was given back; of another payment" in status_of(admin_client, charged_twice)
    assert label_of(charged_twice) == "refunded"
    assert (found(admin_client, "done"), found(admin_client, "some"), found(admin_client, "other")) == (1, 0, 1)
    told = "29.99 USD taken, 29.99 USD of it refunded, 29.99 USD of other payments given back"
    assert revenue_of(admin_client, charged_twice) == [told]


def test_another_payment_that_is_due_is_told_apart(admin_client, charged_twice):
    told = "nothing was given back; of another payment of 29.99 USD, 29.99 USD is due for refund"

    assert status_of(admin_client, charged_twice) == paid_sentence(charged_twice, paid="29.99 USD", back=told)
    assert label_of(charged_twice) == "refund due"
    assert found(admin_client, "due") == 1


def test_a_part_that_was_given_back_is_told(admin_client, admin_user, order):
    receive(order_id=order.pk, payment_id="pay_A")
    refunds.request(order.pk, amount=Payment.objects.get().amount - 20, staff=admin_user, note="x", already_done=True)
    refunds.request(order.pk, amount=Payment.objects.get().amount - 25, staff=admin_user, note="x")

    told = "4.99 USD is due for refund and 9.99 USD was given back"
    assert status_of(admin_client, order) == paid_sentence(order, paid="29.99 USD", back=told)
    mark(admin_client, "pay_A")
    assert label_of(order) == "partly refunded"
    assert (found(admin_client, "done"), found(admin_client, "some")) == (1, 1)
    assert revenue_of(admin_client, order) == ["29.99 USD taken, 14.98 USD of it refunded"]


@pytest.mark.parametrize(("amount", "currency"), [("30.00", "EUR"), ("1.00", "USD")])
def test_an_accepted_payment_is_told_by_what_was_really_paid(admin_client, order, amount, currency):
    event = receive(order_id=order.pk, payment_id="pay_A", amount=amount, currency=currency).event
    decide(admin_client, event, "accept", note="Ticket 17")
    before = (status_of(admin_client, order), label_of(order), revenue_of(admin_client, order))
    mark(admin_client, "pay_A")

    paid = f"{amount} {currency}"
    assert before == (paid_sentence(order, paid=paid, back="nothing was given back"), "", [f"{paid} taken"])
    assert status_of(admin_client, order) == paid_sentence(order, paid=paid, back=f"{paid} was given back")
    assert label_of(order) == "refunded"
    assert (found(admin_client, "done"), found(admin_client, "some")) == (1, 0)
    assert revenue_of(admin_client, order) == [f"{paid} taken, {paid} of it refunded"]


def test_the_money_of_an_order_that_was_never_paid_is_told(admin_client, order):
    orders.revoke(order.pk)
    receive(order_id=order.pk, payment_id="pay_A")

    due = status_of(admin_client, order)
    mark(admin_client, "pay_A")

    assert due.endswith("; of what was paid (29.99 USD), 29.99 USD is due for refund.")
    assert status_of(admin_client, order).endswith("; of what was paid (29.99 USD), 29.99 USD was given back.")
    assert label_of(order) == "refunded"
    assert (found(admin_client, "done"), found(admin_client, "other")) == (1, 0)
    assert revenue_of(admin_client, order) == ["0.00 USD taken, 29.99 USD of other payments given back"]


def test_the_file_has_the_same_words_and_what_was_given_back(admin_client, charged_twice):
    mark(admin_client, "pay_B")

    answer = admin_client.get(admin_url(Order, "export"))
    [line] = csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode("utf-8-sig")))

    told = "nothing was given back; of another payment of 29.99 USD, 29.99 USD was given back"
    assert (line["Refund"], line["Money back"]) == ("other payment refunded", told)


def test_the_list_reads_all_payments_at_once(admin_client, charged_twice, django_assert_max_num_queries):
    for number in range(5):
        other = OrderFactory(product=charged_twice.product, quantity=1)
        receive(order_id=other.pk, payment_id=f"pay_{number}")

    with django_assert_max_num_queries(20):
        admin_client.get(admin_url(Order, "changelist"))


def test_the_api_says_that_nothing_is_due_any_more(admin_client, charged_twice):
    mark(admin_client, "pay_B")

    order = Order.objects.get()
    assert (order.refund, order.refunded_amount) == ("done", Payment.objects.get(payment_id="pay_B").amount)

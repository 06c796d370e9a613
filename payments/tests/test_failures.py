"""A failure moves no money: one of another payment or order is recorded and needs no review."""

from uuid import uuid4

import pytest

from checkout import audit
from checkout.models import Order
from checkout.tests.factories import HoldFactory, OrderFactory
from payments.models import WebhookEvent
from payments.tests.factories import send
from payments.tests.support.ordering import place, status_of


@pytest.fixture(autouse=True)
def books_are_right(db):
    yield
    assert audit.find_drift() == []


@pytest.mark.parametrize("is_known", [True, False])
def test_a_failure_with_another_orders_payment_is_ignored(api, product, is_known):
    owner, named = OrderFactory(product=product, payment_id="pay_1"), OrderFactory(product=product)
    # Proved by an event, which needs review, or known.
    send(api, order_id=str(owner.pk), payment_id="pay_1", **({} if is_known else {"amount": "1.00"}))

    answer = send(api, status="failure", order_id=str(named.pk), payment_id="pay_1").json()

    assert answer["outcome"] == "ignored"
    assert Order.objects.get(pk=named.pk).status == "pending_payment"


@pytest.mark.parametrize("reference", ["order_id", "hold_id"])
def test_a_failure_of_our_payment_that_names_no_order_of_ours_is_ignored(api, order, reference):
    send(api, order_id=str(order.pk), payment_id="pay_1")

    answer = send(api, status="failure", payment_id="pay_1", **{reference: str(uuid4())}).json()

    assert answer["outcome"] == "ignored"
    assert not WebhookEvent.objects.filter(status="needs_review").exists()


@pytest.mark.usefixtures("claims_prove_nothing")
def test_a_failure_of_another_payment_leaves_an_order_whose_payment_is_proved(api, product, trusted):
    order = place(api, HoldFactory(product=product), token=trusted, payment_id="pay_1")

    assert send(api, status="failure", order_id=order["order_id"], payment_id="pay_2").json()["outcome"] == "ignored"
    assert status_of(order) == "pending_payment"
    assert send(api, status="failure", payment_id="pay_1").json()["outcome"] == "applied"
    assert status_of(order) == "cancelled"


def test_a_failure_that_names_no_order_of_ours_is_nothing_for_staff(api, order):
    answer = send(api, status="failure", order_id="order-1234").json()

    assert answer["outcome"] == "ignored"

"""A failure is no money: one whose payment or order is another one is recorded, and is no matter for staff."""

from uuid import uuid4

import pytest

from checkout import audit
from checkout.models import Order
from checkout.tests.factories import OrderFactory
from payments.models import WebhookEvent
from payments.tests.factories import send


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

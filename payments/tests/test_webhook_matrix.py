"""Every event on an order in every state, compared with `payments.tests.support.matrix`."""

from itertools import product as every

import pytest

from catalog.models import Stock
from checkout import audit, orders
from checkout.models import Order
from checkout.tests.factories import OrderFactory, let_order_pass
from payments.models import Payment, WebhookEvent
from payments.tests.factories import receive, send
from payments.tests.support.matrix import NAMES, STATES, Expected, expected, unchanged

STATUSES = ["success", "failure", "failed", "refunded", "refund_failed"]


def order_in(state: str, knows: str | None) -> Order:
    """Return an order of 2 units out of 10 that knows this payment id and came into this state as in real life."""
    order = OrderFactory(quantity=2, payment_id=knows)
    if state == "cancelled":
        orders.cancel(order.pk)
    elif state in {"overdue", "expired"}:
        let_order_pass(order)
        if state == "expired":
            orders.expire_due()
    elif state != "pending":
        named = {"payment_id": "pay_1"} if state == "paid by pay_1" else {}
        receive(key="earlier", order_id=order.pk, **named)
    return order


def found(api, order: Order, outcome: str) -> Expected:
    stock = Stock.objects.get()
    return Expected(
        outcome=outcome,
        status=api.get(f"/api/v1/orders/{order.pk}").json()["status"],
        payments=dict(Payment.objects.values_list("payment_id", "status")),
        reserved=stock.reserved,
        sold=stock.sold,
    )


@pytest.mark.parametrize("named", NAMES, ids=[f"names {name}" for name in NAMES])
@pytest.mark.parametrize("knows", ["pay_1", None], ids=["order knows pay_1", "order knows none"])
@pytest.mark.parametrize(("state", "status"), list(every(STATES, STATUSES)))
def test_an_event_does_to_an_order_what_its_state_allows_and_does_it_once(api, db, state, status, knows, named):
    order = order_in(state, knows)
    before = WebhookEvent.objects.count()
    members = {"order_id": str(order.pk)} | ({"payment_id": named} if named else {})

    first = send(api, key="evt", status=status, **members)
    once = found(api, order, first.json()["outcome"])
    again = send(api, key="evt", status=status, **members)

    assert once == expected(state, knows, status, named)
    assert found(api, order, again.json()["outcome"]) == once
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert WebhookEvent.objects.count() == before + 1
    assert audit.find_drift() == []


@pytest.mark.parametrize("wrong", [{"amount": "59.97"}, {"amount": 5998}, {"currency": "EUR"}], ids=str)
@pytest.mark.parametrize("status", ["success", "failure"])
@pytest.mark.parametrize("state", STATES)
def test_money_that_differs_changes_nothing_in_any_state(api, db, state, status, wrong):
    order = order_in(state, "pay_1")

    response = send(api, key="evt", status=status, order_id=str(order.pk), payment_id="pay_2", **wrong)

    assert found(api, order, response.json()["outcome"]) == unchanged(state, "needs_review")
    assert audit.find_drift() == []


@pytest.mark.parametrize(
    "wrong", [{"amount": "59.99"}, {"currency": "EUR"}, {"amount": "0"}, {"amount": "-1"}], ids=str
)
def test_a_refund_that_cannot_be_right_needs_review(api, db, wrong):
    order = order_in("paid by pay_1", "pay_1")

    response = send(api, key="evt", status="refunded", order_id=str(order.pk), payment_id="pay_1", **wrong)

    assert found(api, order, response.json()["outcome"]) == unchanged("paid by pay_1", "needs_review")
    assert Order.objects.get().refunded_amount == 0


def test_a_refund_of_money_that_was_due_back_is_recorded(api, db):
    order = order_in("cancelled", "pay_1")
    send(api, order_id=str(order.pk), payment_id="pay_1")

    send(api, status="refunded", order_id=str(order.pk), payment_id="pay_1", amount="50.00")
    partly = api.get(f"/api/v1/orders/{order.pk}").json()
    send(api, status="refunded", order_id=str(order.pk), payment_id="pay_1", amount="9.98")
    wholly = api.get(f"/api/v1/orders/{order.pk}").json()

    assert (partly["refund"], partly["refunded_amount"]) == ("due", "50.00")
    assert (wholly["refund"], wholly["refunded_amount"], wholly["status"]) == ("done", "59.98", "cancelled")


def test_an_order_that_is_refunded_for_one_payment_is_still_due_for_another(api, db):
    order = order_in("paid by pay_1", "pay_1")
    send(api, order_id=str(order.pk), payment_id="pay_2")

    send(api, status="refunded", order_id=str(order.pk), payment_id="pay_1")

    assert api.get(f"/api/v1/orders/{order.pk}").json()["refund"] == "due"
    assert dict(Payment.objects.values_list("payment_id", "status")) == {"pay_1": "refunded", "pay_2": "refund_due"}


def test_a_refund_without_a_payment_id_of_an_order_with_two_payments_needs_review(api, db):
    order = order_in("paid by pay_1", "pay_1")
    send(api, order_id=str(order.pk), payment_id="pay_2")

    response = send(api, status="refunded", order_id=str(order.pk))

    assert response.json()["outcome"] == "needs_review"
    assert set(Payment.objects.values_list("status", flat=True)) == {"applied", "refund_due"}

"""Defects seen in comparable systems that concern several apps: each test is named after the id in docs/defects.md."""

from uuid import UUID

import pytest

from catalog.models import Stock
from catalog.tests.factories import ProductFactory
from checkout import audit
from checkout.models import Hold, Order
from checkout.tests.factories import HoldFactory, OrderFactory, let_hold_pass, let_order_pass
from checkout.tests.support.holds import available, place
from flashsale.core import redis_client
from flashsale.tests.support.problems import problem_of
from payments.tests.factories import send
from payments.tests.support.orders import make_order, money, outcome, units


@pytest.fixture(autouse=True)
def clean_books(db):
    """After each test the counters agree with holds and orders."""
    yield
    assert audit.find_drift() == []


@pytest.mark.django_db(transaction=True)
def test_o2_after_redis_lost_everything_holds_and_orders_still_count(api):
    product = ProductFactory(stock=10)
    HoldFactory(product=product, quantity=3)
    OrderFactory(product=product, quantity=4)
    make_order(product, "paid")
    assert available(api, product) == 1

    redis_client.client().flushdb()

    assert available(api, product) == 1
    assert problem_of(place(api, product, quantity=2), 409, "insufficient_stock")["available"] == 1


def test_o3_units_stay_taken_between_order_and_payment(api, product):
    hold = place(api, product, quantity=10).json()

    api.post("/api/v1/orders", {"hold_id": hold["hold_id"]})

    assert available(api, product) == 0
    problem_of(place(api, product), 409, "insufficient_stock")
    assert units(product) == (10, 0)


def test_o4_paid_units_never_become_available_again(api, product):
    hold = place(api, product, quantity=10).json()
    order = api.post("/api/v1/orders", {"hold_id": hold["hold_id"]}).json()

    outcome(send(api, order_id=order["order_id"], payment_id="pay_1"), 200, "applied")

    assert available(api, product) == 0
    problem_of(place(api, product), 409, "insufficient_stock")
    assert units(product) == (0, 10)


def test_o8_a_second_failure_under_another_key_gives_no_units_back(api, product):
    HoldFactory(product=product, quantity=5)
    order = make_order(product, "pending")
    send(api, status="failure", key="evt_1", order_id=str(order.pk), payment_id="pay_1")

    outcome(send(api, status="failure", key="evt_2", order_id=str(order.pk), payment_id="pay_1"), 200, "ignored")

    assert units(product) == (5, 0)


def test_l1_a_failure_after_a_success_leaves_the_order_paid(api, product):
    order = make_order(product, "paid")

    body = outcome(send(api, status="failure", order_id=str(order.pk), payment_id="pay_1"), 200, "ignored")

    assert body["order_status"] == "paid"
    assert units(product) == (0, 2)
    assert money() == {"pay_1": "applied"}


@pytest.mark.parametrize(("state", "resold"), [("cancelled", 1), ("cancelled", 9), ("expired", 9)])
def test_l2_a_success_for_an_order_that_lost_its_units_is_due_for_refund(api, product, state, resold):
    order = make_order(product, state)
    HoldFactory(product=product, quantity=resold)

    outcome(send(api, order_id=str(order.pk), payment_id="pay_1"), 200, "applied")

    shown = api.get(f"/api/v1/orders/{order.pk}").json()
    assert (shown["status"], shown["refund"], shown["refunded_amount"]) == (state, "due", "0.00")
    assert money() == {"pay_1": "refund_due"}
    assert units(product) == (resold, 0)


@pytest.mark.parametrize(
    ("named", "verdict"),
    [({"payment_id": "pay_1"}, "ignored"), ({}, "ignored"), ({"payment_id": "pay_2"}, "applied")],
    ids=["the same payment", "no payment", "another payment"],
)
def test_l3_two_successes_under_two_keys_sell_the_units_once(api, product, named, verdict):
    HoldFactory(product=product, quantity=5)
    order = make_order(product, "pending")
    send(api, key="evt_1", order_id=str(order.pk), payment_id="pay_1")

    outcome(send(api, key="evt_2", order_id=str(order.pk), **named), 200, verdict)

    assert units(product) == (5, 2)


def test_l13_a_second_payment_of_one_order_is_due_for_refund(api, order):
    send(api, order_id=str(order.pk), payment_id="pay_1")

    outcome(send(api, order_id=str(order.pk), payment_id="pay_2"), 200, "applied")

    assert money() == {"pay_1": "applied", "pay_2": "refund_due"}
    assert api.get(f"/api/v1/orders/{order.pk}").json()["refund"] == "due"


@pytest.mark.parametrize(
    ("named", "verdict", "after"),
    [
        ({"payment_id": "pay_1"}, "ignored", {"pay_1": "refunded"}),
        ({"payment_id": "pay_2"}, "applied", {"pay_1": "refunded", "pay_2": "refund_due"}),
    ],
    ids=["the same payment", "another payment"],
)
def test_l15_a_late_success_leaves_a_refunded_order_alone(api, product, named, verdict, after):
    order = make_order(product, "paid")
    outcome(send(api, status="refunded", order_id=str(order.pk), payment_id="pay_1"), 200, "applied")
    paid_at = Order.objects.get().paid_at

    outcome(send(api, order_id=str(order.pk), **named), 200, verdict)

    assert (Order.objects.get().status, Order.objects.get().paid_at) == ("paid", paid_at)
    assert units(product) == (0, 2)
    assert money() == after


def test_k1_units_of_overdue_holds_can_be_had_without_any_worker(api, product):
    overdue = HoldFactory(product=product, quantity=10)
    let_hold_pass(overdue)
    assert available(api, product) == 10

    placed = place(api, product, quantity=10)

    assert placed.status_code == 201
    assert Hold.objects.get(pk=overdue.pk).status == "expired"
    assert units(product) == (10, 0)


def test_k2_units_of_unpaid_orders_can_be_had_without_any_worker(api, product):
    unpaid = OrderFactory(product=product, quantity=10)
    let_order_pass(unpaid)
    assert available(api, product) == 10

    placed = place(api, product, quantity=10)

    assert placed.status_code == 201
    assert Order.objects.get(pk=unpaid.pk).status == "expired"
    assert units(product) == (10, 0)


def test_s2_ids_are_random_and_nothing_lists_them(api, product):
    held = [place(api, product).json()["hold_id"] for _ in range(2)]
    ordered = [api.post("/api/v1/orders", {"hold_id": hold_id}).json()["order_id"] for hold_id in held]

    assert {UUID(made).version for made in held + ordered} == {4}
    for path in ("/api/v1/holds", "/api/v1/orders"):
        problem_of(api.get(path), 405, "method_not_allowed")
        problem_of(api.get(f"{path}/1"), 404, "not_found")


def test_s3_neither_one_hold_nor_one_customer_has_the_whole_stock(api, db):
    product = ProductFactory(stock=1_000, max_per_customer=15)

    at_once = place(api, product, quantity=11, customer_id="ann")
    bit_by_bit = [place(api, product, quantity=10, customer_id="ann") for _ in range(2)]

    assert problem_of(at_once, 409, "limit_exceeded")["limit"] == 10
    assert bit_by_bit[0].status_code == 201
    assert problem_of(bit_by_bit[1], 409, "limit_exceeded")["limit"] == 15
    assert Stock.objects.get().reserved == 10

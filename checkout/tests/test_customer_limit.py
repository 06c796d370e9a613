"""The limit of units per customer: what counts towards it and what does not."""

import pytest

from catalog.models import Product
from catalog.tests.factories import ProductFactory
from checkout import audit, holds, orders
from checkout.models import Hold
from checkout.tests.factories import HoldFactory, OrderFactory, let_hold_pass, let_order_pass
from checkout.tests.support.holds import place
from flashsale.tests.support.problems import problem_of
from payments.tests.factories import receive


def test_a_product_with_a_customer_limit_requires_a_customer_id(api, db):
    product = ProductFactory(max_per_customer=2)

    body = problem_of(place(api, product), 400, "invalid")

    assert body["errors"][0]["pointer"] == "#/customer_id"
    assert not Hold.objects.exists()


def test_the_customer_limit_counts_active_holds_and_pending_or_paid_orders(api, db):
    product = ProductFactory(max_per_customer=3)
    expired = HoldFactory(product=product, quantity=3, customer_id="ann")
    let_hold_pass(expired)
    released = HoldFactory(product=product, quantity=3, customer_id="ann")
    holds.release(released.pk)
    overdue = OrderFactory(product=product, quantity=3, customer_id="ann")
    let_order_pass(overdue)
    cancelled = OrderFactory(product=product, quantity=3, customer_id="ann")
    orders.cancel(cancelled.pk)
    OrderFactory(product=product, quantity=1, customer_id="ann")
    assert place(api, product, quantity=1, customer_id="ann").status_code == 201

    refused = place(api, product, quantity=2, customer_id="ann")

    assert problem_of(refused, 409, "limit_exceeded")["limit"] == 3
    assert place(api, product, quantity=1, customer_id="ann").status_code == 201
    assert place(api, product, quantity=3, customer_id="bob").status_code == 201
    assert audit.find_drift() == []


def take_units(kind: str, product, quantity: int) -> None:
    """Give the customer ann units of the product, by a hold or an order in this state."""
    claim = {"product": product, "quantity": quantity, "customer_id": "ann"}
    if kind == "hold":
        HoldFactory(**claim)
    elif kind == "overdue hold":
        let_hold_pass(HoldFactory(**claim))
    else:
        order = OrderFactory(**claim)
        if kind == "paid":
            receive(order_id=order.pk)
        elif kind == "cancelled":
            orders.cancel(order.pk)
        elif kind == "overdue order":
            let_order_pass(order)


@pytest.mark.parametrize("kind", ["hold", "pending", "paid"])
def test_the_customer_limit_counts_each_unit_once(api, db, kind):
    product = ProductFactory(max_per_customer=3)
    take_units(kind, product, 2)

    assert problem_of(place(api, product, quantity=2, customer_id="ann"), 409, "limit_exceeded")["limit"] == 3
    assert place(api, product, quantity=1, customer_id="ann").status_code == 201
    assert audit.find_drift() == []


@pytest.mark.parametrize("kind", ["overdue hold", "overdue order", "cancelled"])
def test_the_customer_limit_does_not_count_what_ended(api, db, kind):
    product = ProductFactory(max_per_customer=3)
    take_units(kind, product, 3)

    assert place(api, product, quantity=3, customer_id="ann").status_code == 201
    assert audit.find_drift() == []


@pytest.mark.parametrize("customer_id", ["Ann", " ann", "ann "])
def test_customer_ids_are_compared_exactly(api, db, customer_id):
    product, other = ProductFactory(max_per_customer=3), ProductFactory(max_per_customer=3)
    take_units("hold", product, 3)

    assert place(api, product, quantity=3, customer_id=customer_id).status_code == 201
    assert place(api, other, quantity=3, customer_id="ann").status_code == 201


def test_without_a_limit_one_customer_may_hold_the_whole_stock(api, product):
    assert [place(api, product, quantity=5, customer_id="ann").status_code for _ in range(2)] == [201, 201]


def test_a_hold_over_the_customer_limit_may_still_be_ordered(api, db):
    product = ProductFactory(max_per_customer=3)
    hold = HoldFactory(product=product, quantity=3, customer_id="ann")
    Product.objects.update(max_per_customer=1)

    assert api.post("/api/v1/orders", {"hold_id": str(hold.pk)}).status_code == 201

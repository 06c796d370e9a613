"""A buyer's purchase through the API from hold to payment, and the purchases that end earlier."""

import pytest

from checkout import audit, holds, orders
from checkout.models import Hold, Order
from checkout.tests.factories import let_hold_pass, let_order_pass
from payments.models import Payment
from payments.tests.factories import send


@pytest.fixture
def buyer(api, product):
    """A buyer of `product`: each step asserts that it succeeded."""
    return Buyer(api, product)


class Buyer:
    """The steps of a buyer through the API."""

    def __init__(self, api, product) -> None:
        self.api = api
        self.product = product

    def available(self) -> int:
        """Return the available units that the API shows, and assert that the counters agree with holds and orders."""
        assert audit.find_drift() == []
        return self.api.get(f"/api/v1/products/{self.product.pk}").json()["available_stock"]

    def hold(self, quantity: int) -> dict:
        response = self.api.post("/api/v1/holds", {"product_id": self.product.pk, "quantity": quantity})
        assert response.status_code == 201
        return response.json()

    def order(self, hold: dict, **members: str) -> dict:
        response = self.api.post("/api/v1/orders", {"hold_id": hold["hold_id"], **members})
        assert response.status_code == 201
        return response.json()

    def look(self, thing: dict) -> dict:
        kind, pk = ("orders", thing["order_id"]) if "unit_price" in thing else ("holds", thing["hold_id"])
        return self.api.get(f"/api/v1/{kind}/{pk}").json()


def test_a_buyer_pays_and_the_units_are_sold(api, buyer):
    available = [buyer.available()]
    hold = buyer.hold(2)
    available.append(buyer.available())
    order = buyer.order(hold, payment_id="pay_1")
    available.append(buyer.available())

    paid = send(api, key="evt_1", order_id=order["order_id"], payment_id="pay_1", amount="59.98", currency="USD")
    again = send(api, key="evt_1", order_id=order["order_id"], payment_id="pay_1", amount="59.98", currency="USD")
    available.append(buyer.available())

    assert available == [10, 8, 8, 8]
    assert (paid.status_code, paid.json()["order_status"]) == (200, "paid")
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (200, "true")
    after = buyer.look(order)
    assert after == order | {"status": "paid", "paid_at": after["paid_at"]}
    assert after["created_at"] < after["paid_at"] < after["payment_due_at"]
    assert (buyer.look(hold)["status"], buyer.look(hold)["order_id"]) == ("converted", order["order_id"])
    assert api.post(f"/api/v1/orders/{order['order_id']}/cancel").json()["code"] == "order_already_paid"


def test_the_last_units_go_to_one_buyer_and_the_next_gets_sold_out(api, buyer):
    order = buyer.order(buyer.hold(10))

    refused = api.post("/api/v1/holds", {"product_id": buyer.product.pk, "quantity": 1})
    send(api, order_id=order["order_id"], payment_id="pay_1")
    product = api.get(f"/api/v1/products/{buyer.product.pk}").json()

    assert refused.status_code == 409
    assert (refused.json()["title"], refused.json()["available"]) == ("Sold out", 0)
    assert (product["is_sold_out"], product["sale_status"], product["available_stock"]) == (True, "sold_out", 0)


def test_a_buyer_whose_payment_fails_gives_the_units_to_the_next(api, buyer):
    order = buyer.order(buyer.hold(10), payment_id="pay_1")

    failed = send(api, status="failure", order_id=order["order_id"], payment_id="pay_1")
    late = send(api, order_id=order["order_id"], payment_id="pay_1")
    next_order = buyer.order(buyer.hold(10))

    assert (failed.status_code, failed.json()["order_status"]) == (200, "cancelled")
    assert (late.json()["outcome"], late.json()["order_status"]) == ("applied", "cancelled")
    assert (buyer.look(order)["status"], buyer.look(order)["refund"]) == ("cancelled", "due")
    assert buyer.look(next_order)["status"] == "pending_payment"
    assert buyer.available() == 0


def test_a_buyer_releases_the_hold_or_cancels_the_order(api, buyer):
    hold = buyer.hold(3)
    order = buyer.order(buyer.hold(4))

    given_up = api.delete(f"/api/v1/holds/{hold['hold_id']}")
    cancelled = api.post(f"/api/v1/orders/{order['order_id']}/cancel")

    assert (given_up.status_code, given_up.content) == (204, b"")
    assert cancelled.json() == order | {"status": "cancelled"}
    assert buyer.available() == 10


@pytest.mark.parametrize("worker_runs", [False, True], ids=["without any worker", "with the worker"])
def test_a_buyer_who_does_not_pay_loses_the_units_at_the_deadline(api, buyer, worker_runs):
    forgotten, unpaid = buyer.hold(3), buyer.order(buyer.hold(4))
    let_hold_pass(Hold.objects.get(pk=forgotten["hold_id"]))
    let_order_pass(Order.objects.get(pk=unpaid["order_id"]))
    if worker_runs:
        holds.expire_due()
        orders.expire_due()

    assert buyer.available() == 10
    assert (buyer.look(forgotten)["status"], buyer.look(unpaid)["status"]) == ("expired", "expired")
    buyer.hold(10)
    assert buyer.available() == 0


def test_the_payment_arrives_before_the_order(api, buyer):
    hold = buyer.hold(2)
    early = send(api, hold_id=hold["hold_id"], payment_id="pay_1", amount="59.98")

    order = buyer.order(hold, payment_id="pay_1")

    assert (early.status_code, early.json()["message"]) == (202, "Order not found yet")
    assert (order["status"], order["payment_id"]) == ("paid", "pay_1")
    assert buyer.available() == 8


def test_a_buyer_is_refunded_in_parts(api, buyer):
    order = buyer.order(buyer.hold(2))
    send(api, order_id=order["order_id"], payment_id="pay_1")

    for amount in ("9.98", "50.00"):
        send(api, status="refunded", order_id=order["order_id"], payment_id="pay_1", amount=amount)

    seen = buyer.look(order)
    assert (seen["status"], seen["refund"], seen["refunded_amount"]) == ("paid", "done", "59.98")
    assert Payment.objects.get().status == "refunded"
    assert buyer.available() == 8

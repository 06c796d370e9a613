"""Orders in the API: placed for a hold, read, and cancelled."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.utils import timezone

from catalog.models import Product
from catalog.tests.factories import ProductFactory
from checkout import audit, orders
from checkout.models import Order
from checkout.tests.factories import HoldFactory, OrderFactory, let_order_pass
from checkout.tests.support.holds import available
from flashsale.tests.support.contract import members_of
from flashsale.tests.support.problems import problem_of
from flashsale.tests.support.times import moment
from payments.tests.factories import receive

ORDER_MEMBERS = members_of("Order")
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("currency", "price", "text", "total"),
    [("JPY", "1200", "1200", "2400"), ("KWD", "1.234", "1.234", "2.468"), ("EUR", "5", "5.00", "10.00")],
)
def test_money_has_the_decimals_of_its_currency(api, db, currency, price, text, total):
    product = ProductFactory(price=price, currency=currency)
    hold = HoldFactory(product=product, quantity=2)

    order = api.post("/api/v1/orders", {"hold_id": str(hold.pk)}).json()

    assert api.get(f"/api/v1/products/{product.pk}").json()["price"] == text
    assert (order["unit_price"], order["total_amount"]) == (text, total)


def test_an_order_is_placed_for_a_hold(api, product, hold):
    response = api.post("/api/v1/orders", {"hold_id": str(hold.pk), "payment_intent_id": "pi_1"})

    body = response.json()
    assert response.status_code == 201
    assert set(body) == ORDER_MEMBERS
    assert UUID(body["order_id"]).version == 4
    assert (body["hold_id"], body["product_id"], body["quantity"]) == (str(hold.pk), product.pk, 2)
    assert (body["unit_price"], body["total_amount"], body["currency"]) == ("29.99", "59.98", "USD")
    assert (body["status"], body["payment_id"], body["paid_at"]) == ("pending_payment", "pi_1", None)
    assert (body["refund"], body["refunded_amount"]) == (None, "0.00")
    assert response.headers["Location"] == f"/api/v1/orders/{body['order_id']}"
    assert response.headers["Cache-Control"] == "no-store"
    assert api.get(response.headers["Location"]).json() == body
    assert available(api, product) == 8


def test_a_null_payment_id_counts_as_absent(api, hold):
    body = api.post("/api/v1/orders", {"hold_id": str(hold.pk), "payment_id": None}).json()

    assert body["payment_id"] is None


def test_a_hold_keeps_its_price_and_may_be_ordered_after_the_sale(api, product, hold):
    now = timezone.now()
    Product.objects.update(price="99.00", sale_starts_at=now - 2 * HOUR, sale_ends_at=now - HOUR, paused_at=now)

    body = api.post("/api/v1/orders", {"hold_id": str(hold.pk)}).json()

    assert (body["unit_price"], body["status"]) == ("29.99", "pending_payment")


def test_an_order_needs_a_hold_that_exists(api, db):
    problem_of(api.post("/api/v1/orders", {"hold_id": str(uuid4())}), 404, "not_found")


def test_a_payment_id_belongs_to_one_order(api, product, hold):
    OrderFactory(product=product, payment_id="pay_1")

    problem_of(api.post("/api/v1/orders", {"hold_id": str(hold.pk), "payment_id": "pay_1"}), 409, "payment_id_in_use")

    assert Order.objects.count() == 1
    assert api.get(f"/api/v1/holds/{hold.pk}").json()["status"] == "active"


def test_cancelling_gives_the_units_back_once(api, product, order):
    first = api.post(f"/api/v1/orders/{order.pk}/cancel")
    second = api.post(f"/api/v1/orders/{order.pk}/cancel")

    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json()["status"] == second.json()["status"] == "cancelled"
    assert available(api, product) == 10
    assert audit.find_drift() == []


def test_an_overdue_order_is_expired_everywhere_without_any_worker(api, product, order):
    let_order_pass(order)

    assert api.get(f"/api/v1/orders/{order.pk}").json()["status"] == "expired"
    assert available(api, product) == 10
    problem_of(api.post(f"/api/v1/orders/{order.pk}/cancel"), 409, "order_not_pending")


def test_a_new_order_is_due_after_its_payment_window(api, hold):
    body = api.post("/api/v1/orders", {"hold_id": str(hold.pk)}).json()

    assert set(body) == ORDER_MEMBERS
    assert moment(body["payment_due_at"]) - moment(body["created_at"]) == timedelta(seconds=900)


def test_the_payment_window_is_a_setting(api, hold, settings):
    settings.ORDER_PAYMENT_SECONDS = 60

    body = api.post("/api/v1/orders", {"hold_id": str(hold.pk)}).json()

    assert moment(body["payment_due_at"]) - moment(body["created_at"]) == timedelta(seconds=60)


def test_a_paid_order_shows_when_it_was_paid(api, order):
    receive(order_id=order.pk, payment_id="pay_1")

    body = api.get(f"/api/v1/orders/{order.pk}").json()

    assert order.created_at < moment(body["paid_at"]) < order.payment_due_at
    assert (body["status"], body["payment_id"], body["refund"]) == ("paid", "pay_1", None)


@pytest.mark.parametrize(
    ("currency", "price", "refunded"), [("JPY", "1200", "0"), ("KWD", "1.234", "0.000"), ("USD", "0.01", "0.00")]
)
def test_every_amount_of_an_order_has_the_decimals_of_its_currency(api, db, currency, price, refunded):
    order = OrderFactory(product=ProductFactory(price=price, currency=currency))

    body = api.get(f"/api/v1/orders/{order.pk}").json()

    assert (body["unit_price"], body["total_amount"], body["refunded_amount"]) == (price, price, refunded)


@pytest.mark.parametrize("tidied", [False, True], ids=["overdue", "expired by the worker"])
def test_an_expired_order_cannot_be_cancelled(api, product, order, tidied):
    let_order_pass(order)
    if tidied:
        orders.expire_due()

    problem_of(api.post(f"/api/v1/orders/{order.pk}/cancel"), 409, "order_not_pending")

    assert api.get(f"/api/v1/orders/{order.pk}").json()["status"] == "expired"
    assert api.get(f"/api/v1/products/{product.pk}").json()["available_stock"] == 10
    assert audit.find_drift() == []


def test_a_paid_order_cannot_be_cancelled(api, order):
    receive(order_id=order.pk, payment_id="pay_1")
    before = api.get(f"/api/v1/orders/{order.pk}").json()

    problem_of(api.post(f"/api/v1/orders/{order.pk}/cancel"), 409, "order_already_paid")

    assert api.get(f"/api/v1/orders/{order.pk}").json() == before


def test_a_hold_of_an_unpublished_product_may_still_be_ordered(api, product, hold):
    Product.objects.update(is_published=False)

    ordered = api.post("/api/v1/orders", {"hold_id": str(hold.pk)})

    assert ordered.status_code == 201
    assert api.post(f"/api/v1/orders/{ordered.json()['order_id']}/cancel").status_code == 200

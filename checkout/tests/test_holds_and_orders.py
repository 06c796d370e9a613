"""The paths of the API and what they answer."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.utils import timezone

from catalog.models import Product, Stock
from catalog.tests.factories import ProductFactory
from checkout import audit, holds, orders
from checkout.models import Hold, Order
from checkout.tests.factories import HoldFactory, OrderFactory, let_hold_pass, let_order_pass
from checkout.tests.support.holds import available, place
from flashsale.tests.support.problems import problem_of

PRODUCT_MEMBERS = {
    "id", "name", "description", "price", "currency", "total_stock", "available_stock", "is_sold_out", "sale_status",
    "sale_starts_at", "sale_ends_at", "max_per_hold", "max_per_customer", "updated_at",
}  # fmt: skip
HOLD_MEMBERS = {
    "hold_id", "product_id", "quantity", "status", "expires_at", "expires_in_seconds", "order_id", "created_at",
}  # fmt: skip
ORDER_MEMBERS = {
    "order_id", "hold_id", "product_id", "quantity", "unit_price", "total_amount", "currency", "status", "payment_id",
    "payment_due_at", "paid_at", "refund", "refunded_amount", "created_at",
}  # fmt: skip
HOUR = timedelta(hours=1)


def test_a_product_shows_what_is_left(api, product):
    HoldFactory(product=product, quantity=3)

    body = api.get(f"/api/v1/products/{product.pk}").json()

    assert set(body) == PRODUCT_MEMBERS
    assert (body["price"], body["currency"]) == ("29.99", "USD")
    assert (body["total_stock"], body["available_stock"], body["is_sold_out"]) == (10, 7, False)
    assert (body["sale_status"], body["max_per_hold"], body["max_per_customer"]) == ("live", 10, None)


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


def test_an_unpublished_product_is_not_found(api, product):
    Product.objects.update(is_published=False)

    problem_of(api.get(f"/api/v1/products/{product.pk}"), 404, "not_found")
    problem_of(place(api, product), 404, "not_found")
    assert api.get("/api/v1/products").json()["results"] == []


def test_products_come_in_pages_of_50(api, db):
    ids = [ProductFactory().pk for _ in range(120)]

    pages, url = [], "/api/v1/products"
    while url:
        page = api.get(url).json()
        assert set(page) == {"next", "previous", "results"}
        pages.append([product["id"] for product in page["results"]])
        url = page["next"]

    assert [len(page) for page in pages] == [50, 50, 20]
    assert [product_id for page in pages for product_id in page] == ids
    assert api.get(api.get("/api/v1/products").json()["next"]).json()["previous"]


def test_the_sale_status_is_judged_in_its_order(api, db):
    now = timezone.now()
    product = ProductFactory(stock=0, sale_starts_at=now + HOUR, sale_ends_at=now + 2 * HOUR)

    def status_with(**fields) -> str:
        Product.objects.filter(pk=product.pk).update(**fields)
        return api.get(f"/api/v1/products/{product.pk}").json()["sale_status"]

    assert status_with(paused_at=now) == "upcoming"
    assert status_with(sale_starts_at=now - 2 * HOUR, sale_ends_at=now - HOUR) == "ended"
    assert status_with(sale_ends_at=now + HOUR) == "paused"
    assert status_with(paused_at=None) == "sold_out"
    Stock.objects.update(total=1)
    assert status_with() == "live"


def test_a_hold_sets_units_aside(api, product):
    response = place(api, product, quantity=2)

    body = response.json()
    assert response.status_code == 201
    assert set(body) == HOLD_MEMBERS
    assert UUID(body["hold_id"]).version == 4
    assert (body["product_id"], body["quantity"], body["status"]) == (product.pk, 2, "active")
    assert (body["expires_in_seconds"], body["order_id"]) == (120, None)
    assert response.headers["Location"] == f"/api/v1/holds/{body['hold_id']}"
    assert response.headers["Cache-Control"] == "no-store"
    assert api.get(response.headers["Location"]).json() == body
    assert available(api, product) == 8


def test_a_hold_lasts_as_long_as_it_was_asked_for(api, product):
    assert place(api, product, ttl=10).json()["expires_in_seconds"] == 10
    assert place(api, product, ttl=600).json()["expires_in_seconds"] == 600


def test_a_claim_is_refused_for_the_first_reason(api, db):
    now = timezone.now()
    product = ProductFactory(
        stock=1, max_per_hold=2, max_per_customer=1, sale_starts_at=now + HOUR, sale_ends_at=now + 2 * HOUR
    )

    def refusal(code: str, **members) -> dict:
        body = problem_of(place(api, product, customer_id="ann", **members), 409, code)
        assert Stock.objects.get(pk=product.pk).reserved == 0
        return body

    Product.objects.update(paused_at=now)
    assert refusal("sale_not_started", quantity=3)["sale_starts_at"]
    assert int(place(api, product, customer_id="ann").headers["Retry-After"]) in range(3590, 3601)
    Product.objects.update(sale_starts_at=now - 2 * HOUR, sale_ends_at=now - HOUR)
    assert refusal("sale_ended", quantity=3)["sale_ends_at"]
    Product.objects.update(sale_ends_at=now + HOUR)
    assert refusal("sale_paused", quantity=3)["paused_at"]
    Product.objects.update(paused_at=None)
    assert refusal("limit_exceeded", quantity=3)["limit"] == 2
    assert refusal("limit_exceeded", quantity=2)["limit"] == 1
    Product.objects.update(max_per_customer=5)
    assert refusal("insufficient_stock", quantity=2)["available"] == 1


def test_an_unknown_product_is_refused_before_everything(api, db):
    problem_of(api.post("/api/v1/holds", {"product_id": 999_999, "quantity": 1}), 404, "not_found")


def test_a_product_with_a_customer_limit_asks_for_whom(api, db):
    product = ProductFactory(max_per_customer=2)

    body = problem_of(place(api, product), 400, "invalid")

    assert body["errors"][0]["pointer"] == "#/customer_id"
    assert not Hold.objects.exists()


def test_the_customer_limit_counts_holds_and_orders_that_still_count(api, db):
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


def test_a_released_hold_gives_its_units_back_once(api, product, hold):
    first = api.delete(f"/api/v1/holds/{hold.pk}")
    second = api.delete(f"/api/v1/holds/{hold.pk}")

    assert (first.status_code, second.status_code) == (204, 204)
    assert api.get(f"/api/v1/holds/{hold.pk}").json()["status"] == "released"
    assert available(api, product) == 10
    problem_of(api.post("/api/v1/orders", {"hold_id": str(hold.pk)}), 409, "hold_released")


def test_an_expired_hold_may_be_released(api, hold):
    let_hold_pass(hold)

    assert api.delete(f"/api/v1/holds/{hold.pk}").status_code == 204
    assert api.get(f"/api/v1/holds/{hold.pk}").json()["status"] == "expired"
    assert audit.find_drift() == []


def test_an_ordered_hold_cannot_be_released_nor_ordered_again(api, order):
    released = problem_of(api.delete(f"/api/v1/holds/{order.hold_id}"), 409, "hold_already_used")
    ordered = problem_of(api.post("/api/v1/orders", {"hold_id": str(order.hold_id)}), 409, "hold_already_used")

    assert released["order_id"] == ordered["order_id"] == str(order.pk)
    assert api.get(f"/api/v1/holds/{order.hold_id}").json()["order_id"] == str(order.pk)


def test_an_order_is_made_of_a_hold(api, product, hold):
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


def test_a_null_payment_id_is_none_yet(api, hold):
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


def test_an_overdue_hold_is_expired_everywhere_without_any_worker(api, product, hold):
    let_hold_pass(hold)

    seen = api.get(f"/api/v1/holds/{hold.pk}").json()

    assert (seen["status"], seen["expires_in_seconds"]) == ("expired", 0)
    assert available(api, product) == 10
    assert api.get("/api/v1/products").json()["results"][0]["available_stock"] == 10
    refused = problem_of(api.post("/api/v1/orders", {"hold_id": str(hold.pk)}), 409, "hold_expired")
    assert refused["detail"] == "Hold has expired"


def test_an_overdue_order_is_expired_everywhere_without_any_worker(api, product, order):
    let_order_pass(order)

    assert api.get(f"/api/v1/orders/{order.pk}").json()["status"] == "expired"
    assert available(api, product) == 10
    problem_of(api.post(f"/api/v1/orders/{order.pk}/cancel"), 409, "order_not_pending")


def test_a_refusal_counts_overdue_units_as_available(api, product):
    let_hold_pass(HoldFactory(product=product, quantity=3))
    HoldFactory(product=product, quantity=6)

    refused = place(api, product, quantity=5)

    assert problem_of(refused, 409, "insufficient_stock")["available"] == 4


def test_o10_a_stale_admin_form_cannot_touch_the_counters(admin_client, product):
    page = admin_client.get(f"/admin/catalog/product/{product.pk}/change/")
    HoldFactory(product=product, quantity=4)
    fields = {name: value or "" for name, value in page.context["adminform"].form.initial.items()}

    saved = admin_client.post(
        f"/admin/catalog/product/{product.pk}/change/",
        {"name": "New name", "price": "29.99", "currency": "USD", "max_per_hold": 10, "is_published": "on"}
        | {"total": 99, "reserved": 0, "sold": 0, "description": fields["description"]},
    )
    of_stock = admin_client.post(
        f"/admin/catalog/stock/{product.pk}/change/",
        {"product": product.pk, "total": 10, "reserved": 0, "sold": 0, "version": 0},
    )

    assert saved.status_code == 302, saved.context["errors"]
    assert of_stock.status_code == 403
    stock = Stock.objects.get(pk=product.pk)
    assert (stock.total, stock.reserved, stock.sold) == (10, 4, 0)
    assert Product.objects.get().name == "New name"


def test_health_says_that_the_process_lives_and_the_database_answers(client, db):
    assert client.get("/livez").status_code == 200
    assert client.get("/readyz").status_code == 200

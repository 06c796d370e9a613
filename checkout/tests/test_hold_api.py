"""Holds in the API: placed, read, released, and refused."""

from datetime import timedelta
from uuid import UUID

import pytest
from django.utils import timezone

from catalog.models import Product, Stock
from catalog.tests.factories import ProductFactory
from checkout import audit, holds, orders
from checkout.models import Hold
from checkout.tests.factories import HoldFactory, let_hold_pass
from checkout.tests.support.holds import available, place
from flashsale.tests.support.contract import members_of
from flashsale.tests.support.problems import problem_of
from flashsale.tests.support.times import moment

HOLD_MEMBERS = members_of("Hold")
HOUR = timedelta(hours=1)
UNKNOWN = "5f0c6a52-3d54-4c0e-9c7b-0d5b1f3f2a11"


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


def test_a_hold_lasts_for_the_ttl_of_its_request(api, product):
    assert place(api, product, ttl=10).json()["expires_in_seconds"] == 10
    assert place(api, product, ttl=600).json()["expires_in_seconds"] == 600


def test_a_hold_is_refused_for_the_first_reason_that_applies(api, db):
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


def test_an_unknown_product_is_not_found(api, db):
    problem_of(api.post("/api/v1/holds", {"product_id": 999_999, "quantity": 1}), 404, "not_found")


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


def test_an_overdue_hold_is_expired_everywhere_without_any_worker(api, product, hold):
    let_hold_pass(hold)

    seen = api.get(f"/api/v1/holds/{hold.pk}").json()

    assert (seen["status"], seen["expires_in_seconds"]) == ("expired", 0)
    assert available(api, product) == 10
    assert api.get("/api/v1/products").json()["results"][0]["available_stock"] == 10
    refused = problem_of(api.post("/api/v1/orders", {"hold_id": str(hold.pk)}), 409, "hold_expired")
    assert refused["detail"] == "Hold has expired"


def test_a_refusal_counts_overdue_units_as_available(api, product):
    let_hold_pass(HoldFactory(product=product, quantity=3))
    HoldFactory(product=product, quantity=6)

    refused = place(api, product, quantity=5)

    assert problem_of(refused, 409, "insufficient_stock")["available"] == 4


def test_a_new_hold_ends_after_its_time_to_live(api, product):
    body = place(api, product, quantity=2, ttl=90, customer_id="ann").json()

    assert set(body) == HOLD_MEMBERS
    assert moment(body["expires_at"]) - moment(body["created_at"]) == timedelta(seconds=90)
    assert body["expires_in_seconds"] == 90
    assert body["customer_id"] == "ann"


@pytest.mark.parametrize("end", ["converted", "released", "expired"])
def test_a_hold_that_ended_has_no_time_left(api, product, end):
    hold = HoldFactory(product=product)
    if end == "converted":
        order_id = str(orders.place(hold_id=hold.pk).pk)
    elif end == "released":
        holds.release(hold.pk)
    else:
        let_hold_pass(hold)
        holds.expire_due()

    body = api.get(f"/api/v1/holds/{hold.pk}").json()

    assert set(body) == HOLD_MEMBERS
    assert (body["status"], body["expires_in_seconds"]) == (end, 0)
    assert body["order_id"] == (order_id if end == "converted" else None)


@pytest.mark.parametrize("prefix", ["/api", "/api/v1"])
def test_a_location_is_the_versioned_path_of_the_new_hold_or_order(api, product, prefix):
    hold = api.post(f"{prefix}/holds", {"product_id": product.pk, "quantity": 1})
    order = api.post(f"{prefix}/orders", {"hold_id": hold.json()["hold_id"]})

    assert hold.headers["Location"] == f"/api/v1/holds/{hold.json()['hold_id']}"
    assert order.headers["Location"] == f"/api/v1/orders/{order.json()['order_id']}"


def test_answers_about_holds_and_orders_may_not_be_cached(api, product, order):
    answers = [
        place(api, product),
        place(api, product, quantity=11),
        api.get(f"/api/v1/holds/{order.hold_id}"),
        api.delete(f"/api/v1/holds/{order.hold_id}"),
        api.get(f"/api/v1/holds/{UNKNOWN}"),
        api.get(f"/api/v1/orders/{order.pk}"),
        api.post(f"/api/v1/orders/{order.pk}/cancel"),
    ]

    assert {answer.headers["Cache-Control"] for answer in answers} == {"no-store"}


def test_the_refusal_of_a_sold_out_product_says_sold_out(api, db):
    product = ProductFactory(stock=0)

    body = problem_of(place(api, product), 409, "insufficient_stock")

    assert (body["title"], body["detail"], body["available"]) == ("Sold out", "Sold out", 0)


@pytest.mark.parametrize(
    ("ending", "code", "words"),
    [("expired", "hold_expired", "Hold has expired"), ("released", "hold_released", "Hold was released")],
)
def test_an_order_for_an_ended_hold_is_refused_with_the_reason(api, hold, ending, code, words):
    if ending == "expired":
        let_hold_pass(hold)
        holds.expire_due()
    else:
        holds.release(hold.pk)
    before = Hold.objects.values().get()

    body = problem_of(api.post("/api/v1/orders", {"hold_id": str(hold.pk)}), 409, code)

    assert (body["title"], body["detail"]) == (words, words)
    assert Hold.objects.values().get() == before

"""Repeated requests: one hold, one order, whatever happens in between."""

import functools

import pytest
from django.db import IntegrityError
from django.utils import timezone

from catalog.models import Product, Stock
from catalog.tests.factories import ProductFactory
from checkout import audit, holds, orders
from checkout.holds import requests
from checkout.idempotency import IdempotencyKey
from checkout.models import Hold, Order
from checkout.orders import OrderRequest
from checkout.tests.factories import HoldFactory, let_hold_pass, let_order_pass
from flashsale.tests.support.racing import Meeting, at_once, counts, times, without_advisory_locks
from payments.tests.factories import receive

HOLDS, ORDERS = "/api/v1/holds", "/api/v1/orders"
KEY = "0123456789abcdef"


@pytest.fixture(autouse=True)
def clean_books(db):
    yield
    assert audit.find_drift() == []


def post(api, path: str, body: dict, *, key: str = KEY):
    return api.post(path, body, headers={"Idempotency-Key": key})


def is_replay(response) -> bool:
    return response.headers.get("Idempotent-Replayed") == "true"


def test_k3_the_same_request_again_is_answered_with_the_same_hold(api, product):
    first = post(api, HOLDS, {"product_id": product.pk, "quantity": 2})
    again = post(api, HOLDS, {"product_id": product.pk, "quantity": 2})

    assert (first.status_code, again.status_code) == (201, 201)
    assert (is_replay(first), is_replay(again)) == (False, True)
    assert again.json()["hold_id"] == first.json()["hold_id"]
    assert again.headers["Location"] == first.headers["Location"]
    assert Stock.objects.get().reserved == 2


def test_the_same_request_again_is_answered_with_the_same_order(api, hold):
    first = post(api, ORDERS, {"hold_id": str(hold.pk), "payment_id": "pay_1"})
    again = post(api, ORDERS, {"hold_id": str(hold.pk), "payment_intent_id": "pay_1"})

    assert (first.status_code, again.status_code, is_replay(again)) == (201, 201, True)
    assert again.json() == first.json()
    assert Order.objects.count() == 1


@pytest.mark.parametrize(
    "same",
    [
        {"product_id": 0, "qty": 2},
        {"quantity": 2, "product_id": 0, "qty": 2},
        {"product_id": 0, "quantity": 2, "unknown": "member"},
    ],
    ids=str,
)
def test_bodies_are_compared_after_validation(api, product, same):
    post(api, HOLDS, {"product_id": product.pk, "quantity": 2})

    assert is_replay(post(api, HOLDS, same | {"product_id": product.pk}))
    assert Hold.objects.count() == 1


@pytest.mark.parametrize("bodies", [({}, {"ttl": 120}), ({"ttl": 120}, {})], ids=str)
def test_no_ttl_and_the_default_are_the_same(api, product, bodies):
    first, again = [post(api, HOLDS, {"product_id": product.pk, "quantity": 2} | body) for body in bodies]

    assert (is_replay(again), again.json()["hold_id"]) == (True, first.json()["hold_id"])
    assert 0 < first.json()["expires_in_seconds"] <= 120


def test_no_payment_id_and_null_are_the_same(api, hold):
    post(api, ORDERS, {"hold_id": str(hold.pk)})

    assert is_replay(post(api, ORDERS, {"hold_id": str(hold.pk).upper(), "payment_id": None}))


@pytest.mark.parametrize(
    "change", [{"quantity": 3}, {"ttl": 60}, {"customer_id": "ann"}, {"product_id": 2**40}], ids=str
)
def test_the_same_key_with_another_body_is_refused(api, product, change):
    body = {"product_id": product.pk, "quantity": 2}
    post(api, HOLDS, body)

    response = post(api, HOLDS, body | change)

    assert (response.status_code, response.json()["code"]) == (422, "idempotency_key_reused")
    assert Hold.objects.count() == 1


def test_the_same_key_for_another_order_is_refused(api, product):
    first, second = HoldFactory(product=product), HoldFactory(product=product)
    post(api, ORDERS, {"hold_id": str(first.pk)})

    response = post(api, ORDERS, {"hold_id": str(second.pk)})

    assert (response.status_code, response.json()["code"]) == (422, "idempotency_key_reused")
    assert Hold.objects.get(pk=second.pk).status == "active"


def test_one_key_serves_a_hold_and_an_order(api, product):
    hold = post(api, HOLDS, {"product_id": product.pk, "quantity": 2}).json()

    order = post(api, ORDERS, {"hold_id": hold["hold_id"]})

    assert (order.status_code, is_replay(order)) == (201, False)


def test_the_answer_shows_the_present_state(api, product):
    body = {"product_id": product.pk, "quantity": 2}
    hold = post(api, HOLDS, body).json()
    order = post(api, ORDERS, {"hold_id": hold["hold_id"]}).json()
    receive(order_id=order["order_id"], payment_id="pay_1")

    held, ordered = post(api, HOLDS, body).json(), post(api, ORDERS, {"hold_id": hold["hold_id"]}).json()

    assert (held["status"], held["order_id"]) == ("converted", order["order_id"])
    assert (ordered["status"], ordered["payment_id"]) == ("paid", "pay_1")


def test_a_hold_that_expired_stays_expired(api, product):
    body = {"product_id": product.pk, "quantity": 2}
    post(api, HOLDS, body)
    let_hold_pass(Hold.objects.get())

    assert post(api, HOLDS, body).json()["status"] == "expired"
    assert Hold.objects.count() == 1


@pytest.mark.parametrize(
    "change",
    [{"is_published": False}, {"paused_at": timezone.now()}, {"max_per_hold": 1}, {"max_per_customer": 1}],
    ids=lambda change: next(iter(change)),
)
def test_what_was_granted_is_answered_whatever_became_of_the_sale(api, product, change):
    body = {"product_id": product.pk, "quantity": 2, "customer_id": "ann"}
    first = post(api, HOLDS, body).json()
    Product.objects.update(**change)

    assert post(api, HOLDS, body).json()["hold_id"] == first["hold_id"]


def test_what_was_granted_is_answered_after_the_product_sold_out(api, product):
    body = {"product_id": product.pk, "quantity": 2}
    first = post(api, HOLDS, body).json()
    HoldFactory(product=product, quantity=8)

    assert post(api, HOLDS, body).json()["hold_id"] == first["hold_id"]
    assert post(api, HOLDS, body, key="another key of 16").json()["code"] == "insufficient_stock"


def test_a_refused_request_leaves_its_key_free(api, product):
    taken = HoldFactory(product=product, quantity=10)
    refused = post(api, HOLDS, {"product_id": product.pk, "quantity": 2})
    holds.release(taken.pk)

    granted = post(api, HOLDS, {"product_id": product.pk, "quantity": 3})

    assert (refused.status_code, granted.status_code, is_replay(granted)) == (409, 201, False)


def test_a_refused_order_leaves_its_key_free(api, product):
    dead, alive = HoldFactory(product=product), HoldFactory(product=product)
    let_hold_pass(dead)
    refused = post(api, ORDERS, {"hold_id": str(dead.pk)})

    granted = post(api, ORDERS, {"hold_id": str(alive.pk)})

    assert (refused.status_code, granted.status_code, is_replay(granted)) == (409, 201, False)


def test_an_order_that_expired_is_answered_as_expired(api, hold):
    post(api, ORDERS, {"hold_id": str(hold.pk)})
    let_order_pass(Order.objects.get())
    orders.expire_due()

    assert post(api, ORDERS, {"hold_id": str(hold.pk)}).json()["status"] == "expired"


@pytest.mark.parametrize(
    "key", ["", "short", "x" * 15, "x" * 256, '"' + "x" * 15 + '"', "k\u00e9y-of-more-than-16", "tab\tinside the key"]
)
@pytest.mark.parametrize("path", [HOLDS, ORDERS])
def test_a_key_that_cannot_be_one_is_invalid(api, product, hold, path, key):
    body = {"product_id": product.pk, "quantity": 1} if path == HOLDS else {"hold_id": str(hold.pk)}

    response = post(api, path, body, key=key)

    assert (response.status_code, response.json()["code"]) == (400, "invalid")
    assert response.json()["errors"][0]["pointer"] == "#header/Idempotency-Key"
    assert (Hold.objects.count(), Order.objects.count()) == (1, 0)


@pytest.mark.parametrize(
    "key", ["x" * 16, "x" * 255, "with spaces, and \\ more", '"' + "y" * 255 + '"', '"only one quote here']
)
def test_a_key_may_be_any_printable_text(api, product, key):
    body = {"product_id": product.pk, "quantity": 1}
    post(api, HOLDS, body, key=key)

    assert is_replay(post(api, HOLDS, body, key=key))


def test_quotes_around_a_key_do_not_count(api, product):
    body = {"product_id": product.pk, "quantity": 1}
    post(api, HOLDS, body, key=f'"{KEY}"')

    assert is_replay(post(api, HOLDS, body, key=KEY))


def key_of(body_hash: str = "same", *, client: str = "") -> IdempotencyKey:
    return IdempotencyKey(client=client, key=KEY, body_hash=body_hash)


def test_each_client_has_keys_of_its_own(product):
    mine = holds.place(product_id=product.pk, quantity=1, key=key_of(client="a"))
    others = holds.submit(product_id=product.pk, quantity=1, key=key_of(client="b"))

    assert (mine.pk != others.hold.pk, others.is_replayed) == (True, False)


def _twenty_at_once(monkeypatch) -> list:
    products = [ProductFactory(stock=50), ProductFactory(stock=50)]
    meeting = Meeting(2)
    monkeypatch.setattr(requests, "_new_hold", meeting.before(requests._new_hold))
    calls = [
        lambda p=p: holds.place(product_id=p.pk, quantity=1, key=key_of("same" if p is products[0] else "other"))
        for p in products
    ]
    return at_once(*calls, *times(9, calls[0]), *times(9, calls[1]))


@pytest.mark.django_db(transaction=True)
def test_equal_requests_at_once_make_one_hold(monkeypatch):
    results = counts(_twenty_at_once(monkeypatch))

    assert results == {"Hold": 10, "IdempotencyKeyReused": 10}
    assert Hold.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_control_without_the_lock_on_the_key_a_request_violates_the_constraint(monkeypatch):
    without_advisory_locks(monkeypatch)

    assert any(isinstance(result, IntegrityError) for result in _twenty_at_once(monkeypatch))


@pytest.mark.django_db(transaction=True)
def test_equal_orders_at_once_are_one(product):
    hold = HoldFactory(product=product, quantity=2)

    request = functools.partial(OrderRequest, hold_id=hold.pk, key=key_of())
    results = at_once(*times(20, lambda: orders.place_batch([request()])[0]))

    assert counts(results) == {"OrderView": 20}
    assert len({view.order.pk for view in results}) == 1
    assert [view.is_replayed for view in results].count(False) == 1

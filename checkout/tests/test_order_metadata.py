"""What a client stores with its order and its hold: kept and returned as it was given, never interpreted."""

import hashlib
import json

import pytest

from checkout import orders
from checkout.models import Order
from checkout.tests.factories import HoldFactory
from flashsale.tests.support.bad_bodies import JSON
from flashsale.tests.support.problems import problem_of
from payments.tests.factories import receive

ORDERS = "/api/v1/orders"
KEY = "0123456789abcdef"
LARGEST = {f"{number:x<40}": "é" * 200 for number in range(10)}
TEXTS = {"zz": "", "a": "\U0001f381 ' \" \\ % {} \u2028", "client/id ~": "null"}
HOLD_MEMBERS = [
    "hold_id", "product_id", "quantity", "status", "expires_at", "expires_in_seconds", "order_id", "customer_id",
    "created_at",
]  # fmt: skip
ORDER_MEMBERS = [
    "order_id", "hold_id", "product_id", "quantity", "unit_price", "total_amount", "currency", "status", "payment_id",
    "payment_due_at", "paid_at", "refund", "refunded_amount", "customer_id", "metadata", "payment", "created_at",
]  # fmt: skip


def post(api, hold, *, key: str = KEY, **members):
    return api.post(ORDERS, {"hold_id": str(hold.pk)} | members, headers={"Idempotency-Key": key})


@pytest.mark.parametrize("metadata", [LARGEST, TEXTS], ids=["the largest", "any text"])
def test_metadata_is_returned_as_it_was_given(api, hold, metadata):
    placed = post(api, hold, metadata=metadata)

    assert (placed.status_code, placed.json()["metadata"]) == (201, metadata)
    assert api.get(placed.headers["Location"]).content == placed.content
    assert Order.objects.get().metadata == metadata


def test_an_order_and_a_hold_without_metadata_and_customer_say_so(api, hold):
    held, placed = api.get(f"/api/v1/holds/{hold.pk}").json(), post(api, hold).json()

    assert (list(held), list(placed)) == (HOLD_MEMBERS, ORDER_MEMBERS)
    assert (held["customer_id"], placed["customer_id"], placed["metadata"]) == (None, None, {})


def test_the_customer_of_a_hold_is_the_order_s(api, product):
    hold = api.post("/api/v1/holds", {"product_id": product.pk, "quantity": 1, "customer_id": "ann "}).json()

    order = api.post(ORDERS, {"hold_id": hold["hold_id"]}).json()

    assert (hold["customer_id"], order["customer_id"]) == ("ann ", "ann ")


@pytest.mark.parametrize(
    ("metadata", "pointer"),
    [
        ("null", "#/metadata"),
        ('"text"', "#/metadata"),
        ("[]", "#/metadata"),
        (json.dumps({str(number): "" for number in range(11)}), "#/metadata"),
        ('{"": "x"}', "#/metadata"),
        (json.dumps({"n" * 41: "x"}), "#/metadata"),
        ('{"a": "fits", "cart": 7}', "#/metadata/cart"),
        ('{"cart": null}', "#/metadata/cart"),
        ('{"cart": {"a": "b"}}', "#/metadata/cart"),
        ('{"a/b~c": true}', "#/metadata/a~1b~0c"),
        ('{"non_field_errors": 1}', "#/metadata/non_field_errors"),
        (json.dumps({"cart": "x" * 201}), "#/metadata/cart"),
        ('{"cart": "a\\u0000b"}', "#"),
        ('{"a\\u0000b": "x"}', "#"),
        ('{"cart": "\\ud800"}', "#"),
        ('{"cart": "1", "c\\u0061rt": "1"}', "#"),
        ('{"cart": "\udcff"}', "#"),
    ],
)
def test_anything_else_is_refused_and_nothing_is_ordered(api, hold, metadata, pointer):
    raw = f'{{"hold_id": "{hold.pk}", "metadata": {metadata}}}'.encode(errors="surrogateescape")

    response = api.generic("POST", ORDERS, raw, content_type=JSON)

    assert [fault["pointer"] for fault in problem_of(response, 400, "invalid")["errors"]] == [pointer]
    assert not Order.objects.exists()


def test_metadata_is_part_of_what_a_repeated_request_says(api, hold):
    post(api, hold, metadata={"a": "1", "b": "2"})

    again = post(api, hold, metadata={"b": "2", "a": "1"})
    others = [post(api, hold, metadata=other) for other in ({"a": "1"}, {"a": "2", "b": "1"}, {})]

    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (201, "true")
    assert again.json()["metadata"] == {"a": "1", "b": "2"}
    assert [other.json()["code"] for other in others] == ["idempotency_key_reused"] * 3


@pytest.mark.parametrize("members", [{}, {"metadata": {}}], ids=str)
def test_a_request_of_a_version_without_metadata_is_still_replayed(api, hold, members):
    placed = post(api, hold)
    body = json.dumps({"hold_id": str(hold.pk)}, sort_keys=True)
    Order.objects.update(body_hash=hashlib.sha256(body.encode()).hexdigest())

    again = post(api, hold, **members)

    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (201, "true")
    assert again.json() == placed.json()


def test_an_order_that_is_paid_at_once_has_its_metadata(api, hold):
    receive(hold_id=hold.pk, payment_id="pay_1")

    placed = post(api, hold, metadata=TEXTS).json()

    assert (placed["status"], placed["metadata"]) == ("paid", TEXTS)


@pytest.mark.django_db(transaction=True)
def test_orders_of_a_batch_and_locked_orders_have_their_own(product):
    requests = [
        orders.OrderRequest(hold_id=HoldFactory(product=product).pk, metadata=metadata) for metadata in (TEXTS, {})
    ]

    placed = [view.order for view in orders.place_batch(requests)]

    assert [order.metadata for order in placed] == [TEXTS, {}]
    assert [orders.revoke(order.pk).metadata for order in placed] == [TEXTS, {}]

"""Bad input gets a problem document and changes nothing: never a 500, never an HTML page."""

import json
from uuid import uuid4

import pytest

from checkout.models import Order
from flashsale.tests.support.bad_bodies import HOLDS, JSON, NOT_OBJECTS, ORDERS, UNPARSABLE, WEBHOOK, assert_untouched
from flashsale.tests.support.problems import problem_of

A_UUID = "0f7a1c1e-52a0-4d0e-9a54-6a1f0c2f7b11"
QUANTITIES = {
    "text": "2",
    "true": True,
    "false": False,
    "a fraction": 2.5,
    "a float that is whole": 2.0,
    "zero": 0,
    "negative": -1,
    "20 digits": 10**19,
    "just too large": 2**31,
    "null": None,
    "an array": [2],
    "an object": {"n": 2},
}


@pytest.fixture(params=[False, True], ids=["in production", "with DEBUG"])
def debug(request, settings) -> None:
    settings.DEBUG = request.param


@pytest.mark.parametrize("path", [HOLDS, ORDERS, WEBHOOK])
@pytest.mark.parametrize("raw", UNPARSABLE.values(), ids=UNPARSABLE.keys())
def test_what_is_not_json_is_invalid(api, product, path, raw):
    response = api.generic("POST", path, raw, content_type=JSON)

    body = problem_of(response, 400, "invalid")
    assert body["errors"][0]["pointer"] == "#"
    assert_untouched(product)


@pytest.mark.parametrize("path", [HOLDS, ORDERS, WEBHOOK])
@pytest.mark.parametrize("raw", NOT_OBJECTS.values(), ids=NOT_OBJECTS.keys())
def test_what_is_not_an_object_is_invalid(api, product, path, raw):
    response = api.generic("POST", path, raw, content_type=JSON)

    problem_of(response, 400, "invalid")
    assert_untouched(product)


@pytest.mark.parametrize("path", [HOLDS, ORDERS, WEBHOOK])
def test_an_empty_body_is_invalid(api, product, path):
    response = api.generic("POST", path, b"", content_type=JSON)

    problem_of(response, 400, "invalid")
    assert_untouched(product)


@pytest.mark.parametrize("value", QUANTITIES.values(), ids=QUANTITIES.keys())
@pytest.mark.parametrize("name", ["quantity", "qty"])
def test_a_quantity_is_a_positive_integer(api, product, name, value):
    response = api.post(HOLDS, {"product_id": product.pk, name: value})

    body = problem_of(response, 400, "invalid")
    assert [error["pointer"] for error in body["errors"]] == [f"#/{name}"]
    assert_untouched(product)


@pytest.mark.parametrize("raw", [b"2e0", b"2.0", b'"2"', b"02", b"+2", b"0x2"])
def test_a_quantity_is_written_as_an_integer(api, product, raw):
    body = b'{"product_id": %d, "quantity": %s}' % (product.pk, raw)

    response = api.generic("POST", HOLDS, body, content_type=JSON)

    problem_of(response, 400, "invalid")
    assert_untouched(product)


@pytest.mark.parametrize("value", ["1", "1abc", True, 1.0, None, [], {}, 10**20])
def test_a_product_id_is_an_integer(api, product, value):
    response = api.post(HOLDS, {"product_id": value, "quantity": 1})

    body = problem_of(response, 400, "invalid")
    assert body["errors"][0]["pointer"] == "#/product_id"
    assert_untouched(product)


@pytest.mark.parametrize("value", [9, 601, 0, -1, "60", 60.0, True, None])
def test_a_ttl_is_an_integer_within_its_limits(api, product, value):
    response = api.post(HOLDS, {"product_id": product.pk, "quantity": 1, "ttl": value})

    body = problem_of(response, 400, "invalid")
    assert body["errors"][0]["pointer"] == "#/ttl"
    assert_untouched(product)


@pytest.mark.parametrize("value", ["", "x" * 65, 5, True, None, []])
def test_a_customer_id_is_text_of_1_to_64_characters(api, product, value):
    response = api.post(HOLDS, {"product_id": product.pk, "quantity": 1, "customer_id": value})

    body = problem_of(response, 400, "invalid")
    assert body["errors"][0]["pointer"] == "#/customer_id"
    assert_untouched(product)


@pytest.mark.parametrize("text", ["a\\u0000b", "\\ud800", "\\udc00\\ud800"])
def test_text_that_cannot_be_stored_is_invalid(api, product, text):
    raw = f'{{"product_id": {product.pk}, "quantity": 1, "customer_id": "{text}"}}'

    response = api.generic("POST", HOLDS, raw, content_type=JSON)

    problem_of(response, 400, "invalid")
    assert_untouched(product)


@pytest.mark.parametrize(("quantity", "qty"), [(1, 2), (1, True), (1, "1"), (1, 1.0)])
def test_two_names_that_differ_are_invalid(api, product, quantity, qty):
    response = api.post(HOLDS, {"product_id": product.pk, "quantity": quantity, "qty": qty})

    problem_of(response, 400, "invalid")
    assert_untouched(product)


@pytest.mark.parametrize("value", ["", "abc", "{%s}", "urn:uuid:%s", " %s", 5, None, True, []])
def test_a_hold_id_in_a_body_is_a_uuid(api, product, value):
    value = value % uuid4() if isinstance(value, str) and "%s" in value else value

    response = api.post(ORDERS, {"hold_id": value})

    body = problem_of(response, 400, "invalid")
    assert body["errors"][0]["pointer"] == "#/hold_id"
    assert_untouched(product)


@pytest.mark.parametrize("value", ["", "x" * 256, 5, True, []])
def test_a_payment_id_is_text_of_1_to_255_characters(api, hold, value):
    response = api.post(ORDERS, {"hold_id": str(hold.pk), "payment_id": value})

    body = problem_of(response, 400, "invalid")
    assert body["errors"][0]["pointer"] == "#/payment_id"
    assert not Order.objects.exists()


def test_every_wrong_field_is_named(api, db):
    response = api.post(HOLDS, {"ttl": 1})

    body = problem_of(response, 400, "invalid")
    assert {error["pointer"] for error in body["errors"]} == {"#/product_id", "#/quantity", "#/ttl"}
    assert all(error["code"] and error["detail"] for error in body["errors"])


@pytest.mark.parametrize("path", [HOLDS, ORDERS, WEBHOOK])
@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "application/xml", ""])
def test_another_content_type_is_unsupported(api, product, path, content_type):
    raw = json.dumps({"product_id": product.pk, "quantity": 1})

    response = api.generic("POST", path, raw, content_type=content_type)

    problem_of(response, 415, "unsupported_media_type")
    assert_untouched(product)


@pytest.mark.parametrize("path", [HOLDS, ORDERS, WEBHOOK])
def test_a_body_over_256_kib_is_too_large(api, product, path):
    raw = json.dumps({"product_id": product.pk, "quantity": 1, "x": "y" * 256 * 1024})

    response = api.generic("POST", path, raw, content_type=JSON)

    problem_of(response, 413, "payload_too_large")
    assert_untouched(product)


@pytest.mark.parametrize("accept", ["", "*/*", "application/json"])
def test_who_accepts_anything_gets_json(api, product, accept):
    assert api.get(f"/api/v1/products/{product.pk}", headers={"Accept": accept}).status_code == 200


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "image/*"])
def test_another_representation_is_not_acceptable(api, product, accept):
    response = api.get(f"/api/v1/products/{product.pk}", headers={"Accept": accept})

    problem_of(response, 406, "not_acceptable")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", HOLDS),
        ("GET", HOLDS),
        ("GET", ORDERS),
        ("PATCH", f"{HOLDS}/{A_UUID}"),
        ("DELETE", f"{ORDERS}/{A_UUID}"),
        ("POST", "/api/v1/products"),
        ("GET", WEBHOOK),
        ("OPTIONS", HOLDS),
        ("TRACE", HOLDS),
    ],
)
def test_another_method_is_not_allowed(api, db, method, path):
    response = api.generic(method, path)

    problem_of(response, 405, "method_not_allowed")
    assert response.headers["Allow"]


@pytest.mark.parametrize("pk", ["1abc", "abc", "0", "-1", "1.0", "01", "9" * 30, "%00", "١", "1%20"])
def test_a2_a_malformed_product_id_in_a_path_is_not_found(api, product, debug, pk):
    response = api.get(f"/api/v1/products/{pk}")

    problem_of(response, 404, "not_found")


@pytest.mark.parametrize("pk", ["1", "abc", "%00", "None", f"{{{A_UUID}}}", A_UUID.replace("-", ""), A_UUID])
@pytest.mark.parametrize(("method", "path"), [("GET", HOLDS), ("DELETE", HOLDS), ("GET", ORDERS)])
def test_a_malformed_or_unknown_uuid_in_a_path_is_not_found(api, db, debug, method, path, pk):
    response = api.generic(method, f"{path}/{pk}")

    problem_of(response, 404, "not_found")


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/api/v2", "/api/v2/products", "/api//"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_path_that_does_not_exist_is_not_found(api, db, debug, method, path):
    response = api.generic(method, path)

    problem_of(response, 404, "not_found")


@pytest.mark.parametrize(
    "cursor", ["x", "%00", "cD1hYmM=", "bz0tMQ==", "cD0x8J+Yig==", "bz05OTk5OTk5OTk5OTk5OTk5OTk5OTk="]
)
def test_a_cursor_that_was_not_made_here_is_invalid(api, product, cursor):
    response = api.get(f"/api/v1/products?cursor={cursor}")

    body = problem_of(response, 400, "invalid")
    assert body["errors"][0]["pointer"] == "#query/cursor"


def test_a_wrong_host_is_a_problem_too(api, db, debug):
    response = api.get("/api/v1/products", headers={"Host": "evil.example"})

    assert [fault["pointer"] for fault in problem_of(response, 400, "invalid")["errors"]] == ["#header/Host"]


def test_an_internal_error_is_a_problem_without_details(api, product, debug, monkeypatch):
    def explode(**_):
        raise ZeroDivisionError("secret inner detail")

    monkeypatch.setattr("checkout.holds.placing.place_batch", explode)

    response = api.post(HOLDS, {"product_id": product.pk, "quantity": 1})

    problem_of(response, 500, "internal_error")
    assert b"secret" not in response.content


@pytest.mark.parametrize("prefix", ["/api/v1", "/api"])
@pytest.mark.parametrize("slash", ["", "/"])
def test_every_path_answers_at_both_mounts_with_and_without_slash(api, order, prefix, slash):
    product = order.product

    assert api.get(f"{prefix}/products{slash}").status_code == 200
    assert api.get(f"{prefix}/products/{product.pk}{slash}").status_code == 200
    placed = api.post(f"{prefix}/holds{slash}", {"product_id": product.pk, "quantity": 1})
    assert placed.status_code == 201
    assert api.get(f"{prefix}/holds/{placed.json()['hold_id']}{slash}").status_code == 200
    ordered = api.post(f"{prefix}/orders{slash}", {"hold_id": placed.json()["hold_id"]})
    assert ordered.status_code == 201
    assert api.get(f"{prefix}/orders/{ordered.json()['order_id']}{slash}").status_code == 200
    assert api.post(f"{prefix}/orders/{ordered.json()['order_id']}/cancel{slash}").status_code == 200
    event = {"idempotency_key": str(uuid4()), "status": "unheard of"}
    assert api.post(f"{prefix}/payments/webhook{slash}", event).status_code == 200
    assert api.post(f"{prefix}/payments/webhooks/standard{slash}", event).status_code == 200


@pytest.mark.parametrize("number", ["9" * 5_000, "1e99999999999999999999"])
def test_a_huge_quantity_is_invalid(api, product, number):
    body = f'{{"product_id": {product.pk}, "quantity": {number}}}'

    response = api.generic("POST", "/api/v1/holds", body.encode(), content_type="application/json")

    assert (response.status_code, response.json()["errors"][0]["pointer"]) == (400, "#/quantity")


@pytest.mark.parametrize(
    ("path", "body", "pointers"),
    [
        (HOLDS, {"product_id": 1, "qty": "1"}, ["#/qty"]),
        (HOLDS, {"product_id": "1", "qty": 0}, ["#/product_id", "#/qty"]),
        (HOLDS, {"product_id": 1, "quantity": 0, "qty": 0}, ["#/quantity"]),
        (HOLDS, {"product_id": 1}, ["#/quantity"]),
        (ORDERS, {"hold_id": "x", "payment_intent_id": ""}, ["#/hold_id", "#/payment_intent_id"]),
        (ORDERS, {"hold_id": "x", "payment_id": ""}, ["#/hold_id", "#/payment_id"]),
    ],
)
def test_a_fault_points_at_the_name_that_was_sent(api, db, path, body, pointers):
    faults = problem_of(api.post(path, body), 400, "invalid")["errors"]

    assert sorted(fault["pointer"] for fault in faults) == sorted(pointers)

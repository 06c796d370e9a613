"""Bad requests apart from their JSON: provider, size, media type, path, method. Never a 500, nothing changes."""

import json

import pytest
from django.conf import settings as project_settings

from flashsale.tests.support.bad_bodies import HOLDS, JSON, NOT_OBJECTS, ORDERS, UNPARSABLE, WEBHOOK, assert_untouched
from flashsale.tests.support.problems import problem_of
from payments.models import WebhookEvent

DOORS = ["/api/payments/webhook", "/api/v1/payments/webhooks/standard", "/api/v1/payments/webhooks/stripe"]
PROBLEM_MEMBERS = {"type", "title", "status", "detail", "code", "request_id"}
A_UUID = "0f7a1c1e-52a0-4d0e-9a54-6a1f0c2f7b11"
PATHS = {
    "the products": "/api/v1/products",
    "a product": "/api/v1/products/1",
    "the holds": HOLDS,
    "a hold": f"{HOLDS}/{A_UUID}",
    "the orders": ORDERS,
    "an order": f"{ORDERS}/{A_UUID}",
    "a cancellation": f"{ORDERS}/{A_UUID}/cancel",
    "a webhook": WEBHOOK,
}
NO_PATHS = [
    "/api/v1/products%0A",
    "/api/v1/products/1//",
    "/api/v1/products/1/2",
    "/api/v1//products",
    "/api/v1/products.json",
    "/api/v1/x%0Ay",
    "/api/v1/%ff",
    "/api/v1/orders/x/cancel/y",
    "/api/v1/payments",
    "/api/v1/payments/webhooks",
    "/api/v1/payments/webhooks/nobody/more",
]


def hold_of_size(product, size: int) -> str:
    """Return a good hold with a padding, `size` bytes long."""
    raw = json.dumps({"product_id": product.pk, "quantity": 1, "x": ""})
    return raw[:-2] + "y" * (size - len(raw)) + '"}'


@pytest.mark.parametrize("path", DOORS)
@pytest.mark.parametrize("raw", UNPARSABLE.values(), ids=UNPARSABLE.keys())
def test_what_is_not_json_is_invalid_at_every_webhook(api, product, path, raw):
    response = api.generic("POST", path, raw, content_type=JSON)

    assert problem_of(response, 400, "invalid")["errors"][0]["pointer"] == "#"
    assert_untouched(product)


@pytest.mark.parametrize("path", DOORS)
@pytest.mark.parametrize("raw", [*NOT_OBJECTS.values(), b"", b"{}"], ids=[*NOT_OBJECTS.keys(), "nothing", "no members"])
def test_what_is_not_an_event_is_invalid_at_every_webhook(api, product, path, raw):
    response = api.generic("POST", path, raw, content_type=JSON)

    assert problem_of(response, 400, "invalid")["errors"]
    assert_untouched(product)


@pytest.mark.parametrize("text", ["a\\u0000b", "\\ud800", "\\udc00\\ud800"])
@pytest.mark.parametrize("member", ["idempotency_key", "id"])
def test_an_event_id_that_cannot_be_stored_is_invalid(api, product, text, member):
    path = WEBHOOK if member == "idempotency_key" else "/api/v1/payments/webhooks/stripe"

    response = api.generic("POST", path, f'{{"{member}": "{text}", "status": "success"}}', content_type=JSON)

    assert problem_of(response, 400, "invalid")["errors"][0]["pointer"] == f"#/{member}"
    assert_untouched(product)


@pytest.mark.parametrize("text", ["a\\u0000b", "\\ud800"])
@pytest.mark.parametrize("member", ["note", "status", "payment_id", "currency"])
def test_an_event_is_stored_whatever_text_its_other_members_hold(api, product, member, text):
    raw = f'{{"idempotency_key": "evt_1", "{member}": "{text}"}}'

    response = api.generic("POST", WEBHOOK, raw, content_type=JSON)

    assert response.status_code == 200, response.content
    assert bytes(WebhookEvent.objects.get().body) == raw.encode()


@pytest.mark.parametrize("path", [HOLDS, ORDERS])
@pytest.mark.parametrize("key", ["\\u0000", "\\ud800", "a\\udfff"])
def test_a_member_name_that_cannot_be_stored_is_invalid(api, product, path, key):
    response = api.generic(
        "POST", path, f'{{"product_id": {product.pk}, "quantity": 1, "{key}": 1}}', content_type=JSON
    )

    problem_of(response, 400, "invalid")
    assert_untouched(product)


@pytest.mark.parametrize("members", ['"quantity": 1, "\\u0071uantity": 2', '"quantity": 1, "quantity": 1'])
def test_o13_a_key_twice_is_found_however_it_is_spelt(api, product, members):
    response = api.generic("POST", HOLDS, f'{{"product_id": {product.pk}, {members}}}', content_type=JSON)

    problem_of(response, 400, "invalid")
    assert_untouched(product)


@pytest.mark.parametrize(("quantity", "qty"), [(1, None), (None, 1), (2, 2.0), (1, [1]), (1, {})])
def test_two_names_that_differ_in_type_are_invalid(api, product, quantity, qty):
    response = api.post(HOLDS, {"product_id": product.pk, "quantity": quantity, "qty": qty})

    assert problem_of(response, 400, "invalid")["errors"][0]["pointer"] == "#/quantity"
    assert_untouched(product)


def test_two_names_that_agree_are_one_quantity(api, product):
    response = api.post(HOLDS, {"product_id": product.pk, "quantity": 3, "qty": 3})

    assert (response.status_code, response.json()["quantity"]) == (201, 3)


def test_two_payment_ids_that_differ_are_invalid(api, hold):
    response = api.post(ORDERS, {"hold_id": str(hold.pk), "payment_id": "a", "payment_intent_id": "b"})

    assert problem_of(response, 400, "invalid")["errors"][0]["pointer"] == "#/payment_id"
    assert api.get(f"{HOLDS}/{hold.pk}").json()["status"] == "active"


@pytest.mark.parametrize("product_id", [0, -1, -(2**63) + 1, 2**63 - 1])
def test_a_product_id_that_nothing_has_is_not_found(api, product, product_id):
    problem_of(api.post(HOLDS, {"product_id": product_id, "quantity": 1}), 404, "not_found")

    assert_untouched(product)


def test_the_largest_quantity_is_refused_by_name(api, product):
    problem_of(api.post(HOLDS, {"product_id": product.pk, "quantity": 2**31 - 1}), 409, "limit_exceeded")

    assert_untouched(product)


@pytest.mark.parametrize("customer_id", ["a", " ", "x" * 64, "\U0001f600" * 64, "e\u0301", "'; --", "\u202e"])
def test_a_customer_id_is_any_text_and_taken_as_it_is(api, product, customer_id):
    response = api.post(HOLDS, {"product_id": product.pk, "quantity": 1, "customer_id": customer_id})

    assert response.status_code == 201
    assert product.holds.get().customer_id == customer_id


def test_a_body_of_exactly_256_kib_is_accepted_and_one_byte_more_refused(api, product):
    allowed = api.generic("POST", HOLDS, hold_of_size(product, 256 * 1024), content_type=JSON)
    refused = api.generic("POST", HOLDS, hold_of_size(product, 256 * 1024 + 1), content_type=JSON)

    assert allowed.status_code == 201
    problem_of(refused, 413, "payload_too_large")
    assert product.holds.count() == 1


@pytest.mark.parametrize("path", DOORS)
def test_an_event_over_256_kib_is_too_large(api, product, path):
    raw = json.dumps({"idempotency_key": "evt_1", "id": "evt_1", "x": "y" * project_settings.MAX_BODY_BYTES})

    problem_of(api.generic("POST", path, raw, content_type=JSON), 413, "payload_too_large")

    assert_untouched(product)


@pytest.mark.parametrize("path", [HOLDS, ORDERS, WEBHOOK, *DOORS])
@pytest.mark.parametrize(
    "content_type",
    ["*/*", "application/*", "text/json", "application/vnd.api+json", "multipart/form-data; boundary=x", ";;;", "/"],
)
def test_only_application_json_is_read(api, product, path, content_type):
    raw = json.dumps({"product_id": product.pk, "quantity": 1, "idempotency_key": "e", "id": "e", "status": "x"})

    response = api.generic("POST", path, raw, content_type=content_type)

    problem_of(response, 415, "unsupported_media_type")
    assert_untouched(product)


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "APPLICATION/JSON"])
def test_application_json_may_be_written_in_other_ways(api, product, content_type):
    raw = json.dumps({"product_id": product.pk, "quantity": 1})

    assert api.generic("POST", HOLDS, raw, content_type=content_type).status_code == 201


@pytest.mark.parametrize("path", [HOLDS, ORDERS, *DOORS])
@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "GZIP", "identity, gzip", "x", '"'])
def test_a_body_with_a_content_coding_is_not_read(api, product, path, coding):
    raw = json.dumps({"product_id": product.pk, "quantity": 1, "idempotency_key": "e", "id": "e", "status": "x"})

    response = api.generic("POST", path, raw, content_type=JSON, headers={"Content-Encoding": coding})

    problem_of(response, 415, "unsupported_media_type")
    assert response.headers["Accept-Encoding"] == "identity"
    assert_untouched(product)


@pytest.mark.parametrize("coding", ["identity", "", " Identity , identity"])
def test_a_body_with_the_content_coding_identity_is_read(api, product, coding):
    raw = json.dumps({"product_id": product.pk, "quantity": 1})

    response = api.generic("POST", HOLDS, raw, content_type=JSON, headers={"Content-Encoding": coding})

    assert response.status_code == 201


@pytest.mark.parametrize("accept", ["garbage", ",", ";", "a/b/c", "\xff", "text/html;q=1"])
@pytest.mark.parametrize("path", ["/api/v1/products/1", f"{HOLDS}/{A_UUID}"])
def test_an_accept_header_without_a_supported_type_is_not_acceptable(api, db, path, accept):
    problem_of(api.get(path, headers={"Accept": accept}), 406, "not_acceptable")


@pytest.mark.parametrize("path", [HOLDS, WEBHOOK])
def test_a_request_that_is_not_acceptable_changes_nothing(api, product, path):
    body = {"product_id": product.pk, "quantity": 1, "idempotency_key": "evt_1"}

    response = api.post(path, body, headers={"Accept": "text/html"})

    problem_of(response, 406, "not_acceptable")
    assert_untouched(product)


@pytest.mark.parametrize("accept", ["*/*", "application/*", "application/json", "text/html, */*;q=0.1"])
def test_an_accept_header_may_be_a_wildcard(api, product, accept):
    response = api.get(f"/api/v1/products/{product.pk}", headers={"Accept": accept})

    assert (response.status_code, response.headers["Content-Type"]) == (200, "application/json")


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS.keys())
@pytest.mark.parametrize("method", ["PUT", "PATCH", "TRACE", "PROPFIND"])
def test_a_method_that_no_path_supports_is_not_allowed(api, product, path, method):
    response = api.generic(method, path, b"{}", content_type=JSON)

    problem_of(response, 405, "method_not_allowed")
    assert_untouched(product)


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS.keys())
def test_the_allow_header_names_only_what_is_allowed(api, db, path):
    named = api.generic("PUT", path).headers["Allow"].split(", ")

    refused = [method for method in named if api.generic(method, path).status_code == 405]

    assert refused == []


@pytest.mark.parametrize("path", NO_PATHS)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize("debug", [False, True], ids=["in production", "with DEBUG"])
def test_a_path_that_resembles_an_existing_one_is_not_found(api, product, settings, path, method, debug):
    settings.DEBUG = debug

    problem_of(api.generic(method, path), 404, "not_found")

    assert_untouched(product)


@pytest.mark.parametrize("pk", ["1%0A", "%ff", "9223372036854775808"])
def test_a_product_id_with_a_suffix_is_not_found(api, product, pk):
    problem_of(api.get(f"/api/v1/products/{pk}"), 404, "not_found")


@pytest.mark.parametrize("pk", ["1", "abc", "%00", "%ff", A_UUID.replace("-", ""), f"{A_UUID}%0A", A_UUID])
@pytest.mark.parametrize("slash", ["", "/"])
def test_cancelling_an_unknown_order_is_not_found(api, db, pk, slash):
    problem_of(api.post(f"{ORDERS}/{pk}/cancel{slash}"), 404, "not_found")


@pytest.mark.parametrize("cursor", ["%FF", "cD0xJnA9Mg==", "cD0tMQ==", "eD0x", "cD3ZoQ==", "=", "cD0x\n", "a" * 5_000])
def test_a_cursor_with_an_impossible_value_is_invalid(api, product, cursor):
    response = api.get("/api/v1/products?cursor=" + cursor.replace("\n", "%0A"))

    assert problem_of(response, 400, "invalid")["errors"][0]["pointer"] == "#query/cursor"


@pytest.mark.parametrize("prefix", ["/api", "/api/v1"])
@pytest.mark.parametrize("debug", [False, True], ids=["in production", "with DEBUG"])
def test_a_problem_has_its_members_and_no_others(api, product, settings, prefix, debug):
    settings.DEBUG = debug

    plain = api.get(f"{prefix}/products/999999").json()
    of_fields = api.post(f"{prefix}/holds", {"product_id": "1", "quantity": 1}).json()
    of_facts = api.post(f"{prefix}/holds", {"product_id": product.pk, "quantity": 11}).json()

    assert set(plain) == PROBLEM_MEMBERS
    assert set(of_fields) == PROBLEM_MEMBERS | {"errors"}
    assert set(of_facts) == PROBLEM_MEMBERS | {"limit"}
    assert set(of_fields["errors"][0]) == {"pointer", "code", "detail"}
    assert plain["type"] == "http://testserver/problems/not_found"
    assert len({problem["request_id"] for problem in (plain, of_fields, of_facts)}) == 3


def test_every_answer_carries_its_request_id(api, product):
    answers = [api.get(path) for path in ("/api/v1/products", "/api/v1/nothing", "/livez")]

    assert len({answer.headers["X-Request-ID"] for answer in answers}) == 3

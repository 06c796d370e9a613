"""Numbers that parse but are out of range: none is an internal error, in any input of the API."""

import json
from urllib.parse import quote

import pytest

from catalog.models import Stock
from checkout import audit
from checkout.models import Hold, Order
from payments.models import Payment, WebhookEvent
from payments.providers.stripe.events import TYPES

LONG, LONGER = 16_384, 100_000
# Valid JSON, each of them.
NUMBERS = {
    "one with more decimals than PostgreSQL has": "1." + "0" * LONG,
    "the right amount with as many": "59.98" + "0" * LONG,
    "a digit behind as many zeros": "59.98" + "0" * LONG + "1",
    "decimals by the exponent": "1e-16384",
    "tiny": "1e-9999999",
    "tinier than Decimal has": "1e-99999999999999999999",
    "more digits than PostgreSQL has": "9" * 131_073,
    "more digits than Python converts": "9" * 5_000,
    "exactly as many as Python converts": "9" * 4_300,
    "many digits and a fraction": "9" * LONG + "." + "9" * LONG,
    "large by the exponent": "1e131072",
    "huge": "1e9999999",
    "larger than Decimal has": "1e99999999999999999999",
    "negative and huge": "-1e9999999",
    "zero, written long": "0." + "0" * LONGER,
    "zero with an exponent": "0e99999",
    "zero with a huge exponent": "0e999999999999",
    "minus zero": "-0.0",
    "beyond 64 bits": str(2**63),
    "beyond 32 bits": str(2**31),
    "beyond a double": "1e400",
    "one unit too many for the column": "1" + "0" * 21,
    "just beyond three decimals": "59.9801",
}
# What else may be written where text is read as a number or an id.
TEXTS = {
    "nothing": "",
    "NaN": "NaN",
    "signaling NaN": "sNaN",
    "infinity": "-Infinity",
    "underscores": "1_000",
    "Arabic digits": "١٢",
    "superscript": "²",
    "blank around": " 1 ",
    "a sign": "+1",
    "hexadecimal": "0x10",
    "NUL behind": "1\x00",
    "a null": "null",
}
JSON = "application/json"
ONE_UUID = "0f7a1c1e-52a0-4d0e-9a54-6a1f0c2f7b11"
# A failure needs no amount, so that it may wait for its order; the integers that fit are parked too.
EXPECTED_OF_STRIPE = {(200, "needs_review"), (200, "ignored"), (202, "parked")}


def send(api, path: str, body: str, **headers):
    return api.generic("POST", f"/api/v1/{path}", body.encode(), content_type=JSON, headers=headers)


def assert_no_money_moved(order: Order) -> None:
    order.refresh_from_db()
    assert order.status == "pending_payment"
    assert not Payment.objects.exists()
    assert audit.find_drift() == []


@pytest.mark.parametrize("number", NUMBERS.values(), ids=NUMBERS)
@pytest.mark.parametrize("written", ["{}", '"{}"'], ids=["as a number", "as text"])
def test_a_mismatching_amount_needs_review_at_each_delivery(api, order, number, written):
    body = '{"idempotency_key": "evt_1", "status": "success", "order_id": "%s", "amount": %s}'
    body %= (order.pk, written.format(number))

    answers = [send(api, "payments/webhook", body) for _ in range(2)]

    assert [(answer.status_code, answer.json()["outcome"]) for answer in answers] == [(200, "needs_review")] * 2
    event = WebhookEvent.objects.get()
    if number != "59.9801":
        assert bytes(event.body).decode() == body
    assert event.malformed == "amount" or event.reason == "amount_differs"
    assert_no_money_moved(order)


@pytest.mark.parametrize("number", ["1." + "0" * LONG, "59.98" + "0" * LONG])
def test_an_amount_written_longer_than_any_column_is_malformed(api, order, number):
    body = f'{{"idempotency_key": "evt_1", "status": "success", "order_id": "{order.pk}", "amount": {number}}}'

    send(api, "payments/webhook", body)

    event = WebhookEvent.objects.get()
    assert (event.status, event.reason, event.malformed) == ("needs_review", "malformed_field", "amount")
    assert_no_money_moved(order)


@pytest.mark.parametrize("number", NUMBERS.values(), ids=NUMBERS)
@pytest.mark.parametrize(
    "name", ["order_id", "hold_id", "payment_id", "payment_intent_id", "currency", "status", "idempotency_key", "x"]
)
def test_no_member_of_the_plain_provider_fails_on_a_number(api, order, name, number):
    members = {"idempotency_key": '"evt_1"', "status": '"success"', "currency": '"USD"', "payment_id": '"pay_9"'}
    body = ", ".join(f'"{key}": {value}' for key, value in (members | {name: number}).items())

    answer = send(api, "payments/webhook", f"{{{body}}}")

    assert answer.status_code == (400 if name == "idempotency_key" else 202 if name == "x" else 200), answer.content
    assert WebhookEvent.objects.count() == (0 if name == "idempotency_key" else 1)
    assert_no_money_moved(order)


@pytest.mark.parametrize("number", NUMBERS.values(), ids=NUMBERS)
@pytest.mark.parametrize("currency", ["usd", "clf"])
def test_no_amount_of_stripe_fails_on_a_number(api, order, settings, number, currency):
    """CLF has four decimals, one more than the columns of amounts."""
    for kind, (_, amount_name) in TYPES.items():
        thing = f'{{"id": "pi_1", "payment_intent": "pi_1", "currency": "{currency}", "payment_status": "paid",'
        thing += f' "status": "failed", "{amount_name}": {number}}}'
        livemode = json.dumps(settings.STRIPE_LIVEMODE)
        body = f'{{"id": "evt_{kind}", "type": "{kind}", "livemode": {livemode}, "data": {{"object": {thing}}}}}'

        answer = send(api, "payments/webhooks/stripe", body)

        assert (answer.status_code, answer.json()["outcome"]) in EXPECTED_OF_STRIPE, (kind, answer.content)
    assert_no_money_moved(order)


@pytest.mark.parametrize("number", NUMBERS.values(), ids=NUMBERS)
@pytest.mark.parametrize("kind", [*sorted(TYPES), "unheard.of"])
def test_no_other_member_of_stripe_fails_on_a_number(api, order, kind, number):
    for where in ("livemode", "created", "data", "type"):
        members = {"id": '"evt_1"', "type": f'"{kind}"', "livemode": "false"} | {where: number}
        body = "{" + ", ".join(f'"{name}": {value}' for name, value in members.items()) + "}"

        answer = send(api, "payments/webhooks/stripe", body)

        assert answer.status_code == 200, (where, answer.content)
    assert_no_money_moved(order)


@pytest.mark.parametrize(("minor", "outcome"), [(599_800, "parked"), (599_801, "needs_review")])
def test_an_amount_with_more_decimals_than_the_column_is_not_rounded(api, db, settings, minor, outcome):
    thing = {"id": "pi_1", "amount_received": minor, "currency": "clf"}
    event = {"id": "evt_1", "type": "payment_intent.succeeded", "livemode": settings.STRIPE_LIVEMODE}

    answer = send(api, "payments/webhooks/stripe", json.dumps(event | {"data": {"object": thing}}))

    assert answer.json()["outcome"] == outcome


@pytest.mark.parametrize("number", NUMBERS.values(), ids=NUMBERS)
@pytest.mark.parametrize("path", ["holds", "orders"])
def test_no_member_of_a_body_fails_on_a_number(api, order, path, number):
    members = {
        "holds": ("product_id", "quantity", "qty", "ttl", "customer_id"),
        "orders": ("hold_id", "payment_id", "payment_intent_id", "metadata"),
    }
    right = {"product_id": order.product_id, "quantity": 1} if path == "holds" else {"hold_id": ONE_UUID}
    for name in members[path]:
        body = {key: json.dumps(value) for key, value in right.items()} | {name: number}

        answer = send(api, path, "{" + ", ".join(f'"{key}": {value}' for key, value in body.items()) + "}")

        assert answer.status_code in (400, 404), (name, answer.content)
        assert answer.json()["code"] in ("invalid", "not_found")
    assert Hold.objects.count() == 1
    assert Stock.objects.get().reserved == order.quantity


@pytest.mark.parametrize("text", [*NUMBERS.values(), *TEXTS.values()], ids=[*NUMBERS, *TEXTS])
def test_no_path_query_or_header_fails_on_a_number(api, order, text):
    text = text[:4_000]
    for path in ("products/{}", "holds/{}", "orders/{}", "products?cursor={}", "payments/webhooks/{}"):
        answer = api.get(f"/api/v1/{path.format(quote(text, safe=''))}")
        assert answer.status_code in (200, 400, 404, 405), (path, answer.content)
    for name in ("webhook-timestamp", "Stripe-Signature", "Idempotency-Key", "If-None-Match", "Authorization"):
        header = text if text.isascii() and "\x00" not in text else "9" * 400
        for value in (header, f"t={header},v1=00", f"Bearer {header}"):
            answer = api.get(f"/api/v1/products/{order.product_id}", headers={name: value})
            assert answer.status_code in (200, 304, 401), (name, answer.content)
            answer = send(api, "payments/webhooks/stripe", "{}", **{name: value})
            assert answer.status_code in (400, 401), (name, answer.content)


@pytest.mark.parametrize("text", [*NUMBERS.values(), *TEXTS.values()], ids=[*NUMBERS, *TEXTS])
def test_no_signed_header_fails_on_a_number(api, order, settings, text):
    settings.STANDARD_WEBHOOK_KEYS = [b"key"]
    settings.STRIPE_WEBHOOK_SECRETS = ["whsec_secret"]
    signed = {"webhook-id": text, "webhook-timestamp": text, "webhook-signature": f"v1,{text}"}

    for path, headers in (
        ("payments/webhook", signed),
        ("payments/webhooks/stripe", {"Stripe-Signature": f"t={text},v1=00"}),
        ("payments/webhooks/stripe", {"Stripe-Signature": f"t=1,v1={text}"}),
    ):
        assert send(api, path, "{}", **headers).status_code == 401

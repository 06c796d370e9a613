"""A declined try is told with its reason, and changes nothing."""

import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from checkout.models import Order
from flashsale.tests.support.admin import admin_url
from payments import explanations
from payments.explanations.declines import MAX_LENGTH
from payments.models import WebhookEvent
from payments.tests.support.stripe_events import charge, event, intent, outcome, send, status_of

pytestmark = pytest.mark.usefixtures("stripe_in_production")

CARD_ERROR = {
    "type": "card_error", "code": "card_declined", "decline_code": "insufficient_funds",
    "message": "Your card has insufficient funds.", "payment_method": {"type": "card"},
}  # fmt: skip
CARD = "a card was declined ({}), which does not end the order"
TRY = "a try to pay was declined{}, which does not end the order"


def failed_intent(order: Order, error: object) -> dict:
    thing = intent(order, amount_received=0, status="requires_payment_method", last_payment_error=error)
    return event("payment_intent.payment_failed", thing, event_id="evt_1")


def failed_charge(order: Order, **members) -> dict:
    thing = charge(0, metadata={"order_id": str(order.pk)}, status="failed", **members)
    return event("charge.failed", thing, event_id="evt_1")


def why(body: dict | None = None) -> str:
    row = WebhookEvent.objects.get()
    if body is not None:
        row.body = json.dumps(body).encode()
    return explanations.why(explanations.read(row))


@pytest.mark.parametrize("kind", ["intent", "charge"])
def test_the_orders_story_tells_that_a_card_was_declined_and_why(api, admin_client, order, kind):
    outcome_of_card = {"reason": "insufficient_funds", "type": "issuer_declined"}
    body = failed_intent(order, CARD_ERROR) if kind == "intent" else failed_charge(
        order, failure_code="card_declined", outcome=outcome_of_card, payment_method_details={"type": "card"}
    )  # fmt: skip

    assert outcome(send(api, body)) == "ignored"

    story = admin_client.get(admin_url(Order, "change", order.pk)).context["story"]
    assert any(str(moment.what).endswith(f"ignored: {CARD.format('insufficient funds')}.") for moment in story.moments)
    assert status_of(order) == "pending_payment"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (CARD_ERROR | {"decline_code": None}, CARD.format("card declined")),
        ({"type": "card_error", "message": "Your card was declined."}, CARD.format("Your card was declined")),
        ({"type": "invalid_request_error", "code": "payment_intent_authentication_failure"},
         TRY.format(" (payment intent authentication failure)")),
        ({"message": "x" * 500}, TRY.format(f" ({'x' * MAX_LENGTH})")),
        ({"decline_code": ["a"], "code": {}, "message": 5, "payment_method": "pm_1"}, TRY.format("")),
        ({"decline_code": "\x00", "code": "\ud800", "message": " "}, TRY.format("")),
        ("declined", TRY.format("")),
        (None, TRY.format("")),
    ],
    ids=lambda value: str(value)[:40].encode("ascii", "replace").decode(),
)  # fmt: skip
def test_a_decline_is_told_with_what_its_body_has(api, order, error, told):
    send(api, failed_intent(order, None))

    assert why(failed_intent(order, error)) == told


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ({"failure_code": "expired_card", "payment_method_details": {"type": "card"}}, CARD.format("expired card")),
        ({"failure_message": "The bank said no."}, TRY.format(" (The bank said no)")),
        ({"outcome": [], "payment_method_details": "card"}, TRY.format("")),
    ],
    ids=str,
)
def test_a_failed_charge_is_told_with_what_its_body_has(api, order, members, told):
    send(api, failed_charge(order, **members))

    assert why() == told


@pytest.mark.parametrize("body", [None, b"", b"[]", b"no JSON"])
def test_a_decline_whose_body_was_purged_is_still_told(api, order, body):
    send(api, failed_intent(order, CARD_ERROR))
    WebhookEvent.objects.update(body=body)

    assert why() == TRY.format("")


def test_the_bodies_of_many_declines_that_were_not_read_are_read_at_once(api, order):
    for number in range(4):
        send(api, failed_intent(order, CARD_ERROR) | {"id": f"evt_{number}"})

    with CaptureQueriesContext(connection) as asked:
        situations = explanations.read_all(WebhookEvent.objects.defer("body"))

    assert {of.declined for of in situations} == {CARD.format("insufficient funds")}
    assert len([one for one in asked if '"body"' in one["sql"]]) == 1

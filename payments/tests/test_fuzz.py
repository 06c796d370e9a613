"""Whatever a verified body holds, the answer is one that the contract allows, and only a matching event moves money.

Most values are sampled from those that name a real order and its price, so that some bodies do apply.
"""

import json
from collections import Counter
from decimal import Decimal, InvalidOperation

import pytest
from django.conf import settings as shop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rest_framework.test import APIClient

from checkout import audit
from checkout.models import Order
from checkout.tests.factories import OrderFactory
from payments.models import Payment, WebhookEvent
from payments.providers.stripe.events import TYPES
from payments.tests.factories import undone

PENDING = ("pending_payment", [])
CANCELLED = ("cancelled", [])
PAID = ("paid", [("applied", Decimal("59.98"))])

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=300),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=9), children, max_size=3),
    max_leaves=6,
)
KEYS = st.one_of(*[st.uuids().map(str)] * 5, VALUES)
FUZZ = settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))


def often(*samples) -> st.SearchStrategy:
    return st.one_of(*[st.sampled_from(samples)] * 5, VALUES)


def standard_bodies(order: Order) -> st.SearchStrategy:
    matching = st.fixed_dictionaries(
        {"status": st.just("success"), "order_id": st.just(str(order.pk)), "idempotency_key": st.uuids().map(str)}
    )
    fuzzed = st.fixed_dictionaries(
        {"status": often("success", "failure", "failed", "refunded"), "order_id": often(str(order.pk))},
        optional={
            "idempotency_key": KEYS,
            "hold_id": often(str(order.hold_id)),
            "payment_id": often("pay_1"),
            "payment_intent_id": often("pay_1"),
            "amount": often("59.98", 59.98, "59.980", "59.99"),
            "currency": often("USD", "usd", "EUR"),
        },
    )
    # Of the others only few apply, and sometimes none.
    return st.one_of(*[fuzzed] * 9, matching)


def stripe_bodies(order: Order) -> st.SearchStrategy:
    subject = st.fixed_dictionaries(
        {
            "id": often("pi_1"),
            "metadata": often({"order_id": str(order.pk)}, {"hold_id": str(order.hold_id)}),
            "currency": often("usd", "USD", "usd", "eur"),
            "amount_received": often(5998, 5998, 5997),
        },
        optional={
            "amount_total": often(5998, 5997),
            "amount_refunded": often(5998, 5997),
            "payment_intent": often("pi_1"),
            "payment_status": often("paid"),
            "status": often("failed"),
        },
    )
    return st.fixed_dictionaries(
        {
            "id": KEYS,
            "type": often("payment_intent.succeeded") | often(*sorted(TYPES)),
            "livemode": often(shop.STRIPE_LIVEMODE),
            "data": st.one_of(*[st.fixed_dictionaries({"object": subject})] * 5, VALUES),
        }
    )


def anything(order: Order) -> st.SearchStrategy:
    return VALUES


def is_exact(body: dict) -> bool:
    """Say, without the code under test, whether a body of the plain provider names the order's whole price or none."""
    if body.get("amount") is not None:
        try:
            if Decimal(str(body["amount"])) != Decimal("59.98"):
                return False
        except InvalidOperation:
            return False
    return body.get("currency") is None or str(body["currency"]).upper() == "USD"


def state(order: Order) -> tuple[str, list]:
    payments = Payment.objects.values_list("status", "amount")
    return Order.objects.get(pk=order.pk).status, list(payments)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "bodies", "applies"),
    [("webhook", standard_bodies, True), ("webhooks/stripe", stripe_bodies, True), ("webhook", anything, False)],
    ids=["standard", "stripe", "anything"],
)
def test_every_verified_body_is_stored_or_invalid_and_only_a_matching_one_moves_money(path, bodies, applies):
    order = OrderFactory(quantity=2)
    api = APIClient(raise_request_exception=False)
    seen: Counter = Counter()

    @FUZZ
    @given(bodies(order))
    def send(body):
        with undone():
            response = api.generic(
                "POST", f"/api/v1/payments/{path}", json.dumps(body), content_type="application/json"
            )
            stored, after, drift = WebhookEvent.objects.count(), state(order), audit.find_drift()
        outcome = response.json().get("outcome") if stored else "invalid"
        seen[outcome] += 1
        assert (response.status_code, stored) in {(200, 1), (202, 1), (400, 0)}, response.content
        assert drift == []
        if outcome == "applied":
            assert after in (PAID, CANCELLED)
            assert path != "webhook" or after == CANCELLED or (body["status"] == "success" and is_exact(body))
        else:
            assert outcome in {"ignored", "needs_review", "parked", "invalid"}
            assert after == PENDING

    send()

    assert (seen["applied"] > 0) == applies, seen
    assert seen["needs_review"] > 0 or not applies
    assert state(order) == PENDING

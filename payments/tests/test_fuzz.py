"""Whatever a verified body holds, only what the contract allows comes out, and money never moves by accident."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rest_framework.test import APIClient

from checkout import audit
from checkout.models import Order
from checkout.tests.factories import OrderFactory
from payments.models import Payment, WebhookEvent
from payments.providers.stripe.events import TYPES
from payments.tests.factories import undone

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=300),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=9), children, max_size=3),
    max_leaves=6,
)
STATUSES = st.sampled_from(["success", "failure", "failed", "refunded"]) | VALUES
NAMES = ["order_id", "hold_id", "payment_id", "payment_intent_id", "amount", "currency"]
KEYS = st.text(min_size=1, max_size=255) | VALUES
STANDARD = st.fixed_dictionaries(
    {"status": STATUSES}, optional={"idempotency_key": KEYS, **dict.fromkeys(NAMES, VALUES)}
)
THING_NAMES = ["id", "payment_intent", "amount_received", "amount_total", "amount_refunded", "currency", "metadata"]
STRIPE = st.fixed_dictionaries(
    {"id": KEYS, "type": st.sampled_from(sorted(TYPES)) | VALUES},
    optional={
        "livemode": st.booleans() | VALUES,
        "data": st.fixed_dictionaries(
            {"object": st.fixed_dictionaries({}, optional=dict.fromkeys([*THING_NAMES, "payment_status"], VALUES))}
        )
        | VALUES,
    },
)
FUZZ = settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.django_db
@pytest.mark.parametrize(("path", "bodies"), [("webhook", STANDARD), ("webhooks/stripe", STRIPE), ("webhook", VALUES)])
def test_every_verified_body_is_stored_or_invalid(path, bodies):
    order = OrderFactory(quantity=2)
    api = APIClient(raise_request_exception=False)

    @FUZZ
    @given(bodies)
    def send(body):
        with undone():
            response = api.generic(
                "POST", f"/api/v1/payments/{path}", json.dumps(body), content_type="application/json"
            )
            stored = WebhookEvent.objects.count()
        assert (response.status_code, stored) in {(200, 1), (202, 1), (400, 0)}, response.content
        if stored:
            assert response.json()["outcome"] in {"ignored", "needs_review", "parked"}

    send()

    assert Order.objects.get(pk=order.pk).status == "pending_payment"
    assert not Payment.objects.exists()
    assert audit.find_drift() == []

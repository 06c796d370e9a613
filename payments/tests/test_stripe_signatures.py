"""Who may send Stripe's events."""

import json

import pytest
from stripe import WebhookSignature

from payments.models import WebhookEvent
from payments.tests.support.stripe_events import NEW, event, intent, outcome, send

pytestmark = pytest.mark.usefixtures("stripe_in_production")


@pytest.mark.parametrize(
    "header",
    ["", "t=1", "v1=abc", "t=,v1=abc", "t=now,v1=abc", "t=1,v1=", "t=1,v1=é", f"t={'9' * 400},v1=a", "t=1;v1=a", ",,,"],
)
def test_a_malformed_signature_is_refused(api, order, header):
    assert send(api, event("payment_intent.succeeded", intent(order)), header=header).status_code == 401
    assert not WebhookEvent.objects.exists()


@pytest.mark.parametrize(("age", "status"), [(-290, 200), (290, 200), (-310, 401), (310, 401)])
def test_a_timestamp_counts_five_minutes_into_past_and_future(api, order, age, status):
    assert send(api, event("payment_intent.succeeded", intent(order)), age=age).status_code == status


def test_another_secret_is_refused(api, order):
    assert send(api, event("payment_intent.succeeded", intent(order)), secret="whsec_other").status_code == 401


def test_a_signature_is_over_the_raw_bytes(api, order):
    body = event("payment_intent.succeeded", intent(order))
    header = WebhookSignature.generate_signature_header(json.dumps(body), NEW)

    assert send(api, json.dumps(body, indent=1).encode(), header=header).status_code == 401


def test_bytes_that_are_no_text_are_refused(api):
    header = WebhookSignature.generate_signature_header("x", NEW)

    assert send(api, b"\xff", header=header).status_code == 401


def test_without_secrets_only_local_mode_takes_events(api, order, settings):
    settings.STRIPE_WEBHOOK_SECRETS = []
    body = event("payment_intent.succeeded", intent(order))

    assert send(api, body, header="").status_code == 401
    settings.LOCAL_MODE = True
    assert outcome(send(api, body, header="")) == "applied"

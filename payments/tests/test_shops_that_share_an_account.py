"""Shops that share an account of a provider: each acts on what carries its own name, and on what carries none."""

import json

import pytest

from payments.models import Payment, WebhookEvent
from payments.providers.stripe import events
from payments.tests.support.stripe_events import charge, event, failed_refund, intent, outcome, send, session, status_of

pytestmark = pytest.mark.usefixtures("stripe_in_production")

MINE, THEIRS = {"shop_id": "lamps.example"}, {"shop_id": "copy.example"}


@pytest.fixture(autouse=True)
def _named(settings):
    settings.SHOP_ID = MINE["shop_id"]


def with_metadata(told: dict, metadata: dict) -> dict:
    subject = told["data"]["object"]
    return told | {"data": {"object": subject | {"metadata": subject["metadata"] | metadata}}}


def news_of(order) -> list[dict]:
    return [
        event("payment_intent.succeeded", intent(order)),
        event("payment_intent.canceled", intent(order)),
        event("checkout.session.completed", session(order)),
        event("charge.refunded", charge(5998)),
        failed_refund(),
    ]


def test_what_another_shop_made_is_ignored_and_nothing_for_staff(api, order):
    for told in news_of(order):
        assert outcome(send(api, with_metadata(told, THEIRS))) == "ignored"

    assert set(WebhookEvent.objects.values_list("status", "reason")) == {("ignored", "another_shop")}
    assert (status_of(order), Payment.objects.count()) == ("pending_payment", 0)


def test_the_same_id_with_another_content_is_ignored_too(api, order):
    told = with_metadata(event("payment_intent.succeeded", intent(order)), THEIRS)
    send(api, told)
    told["data"]["object"]["amount_received"] = 1

    assert outcome(send(api, told)) == "ignored"


@pytest.mark.parametrize("metadata", [MINE, {}, {"shop_id": ""}, {"shop_id": None}, {"shop_id": ["copy.example"]}])
def test_what_carries_the_own_name_or_none_counts(api, order, metadata):
    told = with_metadata(event("payment_intent.succeeded", intent(order)), metadata)

    assert (outcome(send(api, told)), status_of(order)) == ("applied", "paid")


def test_a_shop_without_a_name_takes_every_event_as_before(api, order, settings):
    settings.SHOP_ID = ""
    told = with_metadata(event("payment_intent.succeeded", intent(order)), THEIRS)

    assert (outcome(send(api, told)), status_of(order)) == ("applied", "paid")


def test_the_name_does_not_change_what_an_event_is_recognised_by(order, settings):
    told = event("payment_intent.succeeded", intent(order))
    bodies = [with_metadata(told, metadata) for metadata in ({}, MINE, THEIRS)]

    translated = [events.translate(json.dumps(body).encode()) for body in bodies]

    assert len({message.fingerprint for message in translated}) == 1
    assert [message.is_foreign for message in translated] == [False, False, True]

"""The provider speaks Stripe's API, shown through Stripe's own library."""

import time

import pytest
import stripe as stripe_library

from flashsale.local_provider.provider import API_VERSION

HALF_AN_HOUR = 30 * 60


def refusal(call, *args):
    with pytest.raises(stripe_library.StripeError) as refused:
        call(*args)
    return refused.value


def test_an_intent_is_declined_then_paid_and_cannot_be_canceled_afterwards(stripe, provider, intent):
    declined = refusal(stripe.payment_intents.confirm, intent.id, {"payment_method": "pm_card_chargeDeclined"})
    paid = stripe.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"})
    too_late = refusal(stripe.payment_intents.cancel, intent.id)

    assert (intent.status, intent.livemode, intent.metadata["order_id"]) == ("requires_payment_method", False, "o1")
    assert intent.client_secret.startswith(f"{intent.id}_secret_")
    assert (declined.http_status, declined.code, declined.error.decline_code) == (
        402,
        "card_declined",
        "generic_decline",
    )
    assert declined.error.payment_intent.status == "requires_payment_method"
    assert (paid.status, paid.amount_received, paid.latest_charge[:3]) == ("succeeded", 5998, "ch_")
    assert (too_late.http_status, too_late.code) == (400, "payment_intent_unexpected_state")
    assert too_late.error.payment_intent.status == "succeeded"


def test_a_canceled_intent_can_no_more_be_paid(stripe, intent):
    canceled = stripe.payment_intents.cancel(intent.id, {"cancellation_reason": "abandoned"})
    error = refusal(stripe.payment_intents.confirm, intent.id, {"payment_method": "pm_card_visa"})

    assert (canceled.status, canceled.cancellation_reason) == ("canceled", "abandoned")
    assert error.code == "payment_intent_unexpected_state"


@pytest.mark.parametrize(
    ("params", "code", "param"),
    [
        ({"amount": 49, "currency": "usd"}, "amount_too_small", "amount"),
        ({"amount": 29, "currency": "gbp"}, "amount_too_small", "amount"),
        ({"amount": 10**8, "currency": "usd"}, "amount_too_large", "amount"),
        ({"amount": 5998, "currency": "xau"}, None, "currency"),
        ({"currency": "usd"}, "parameter_missing", "amount"),
        ({"amount": 5998, "currency": "usd", "amuont": 1}, "parameter_unknown", "amuont"),
    ],
)
def test_an_intent_that_stripe_would_refuse_is_refused(stripe, params, code, param):
    error = refusal(stripe.payment_intents.create, params)

    assert (error.http_status, error.code, error.param) == (400, code, param)


def test_the_publishable_key_may_use_an_intent_by_its_secret_only(provider, intent, client_of):
    browser = client_of(provider.url, "pk_test_local").v1
    secret = {"client_secret": intent.client_secret}

    stolen = refusal(browser.payment_intents.retrieve, intent.id, {"client_secret": "wrong"})
    unwanted = refusal(browser.payment_intents.cancel, intent.id)
    unknown = refusal(client_of(provider.url, "sk_test_other").v1.payment_intents.retrieve, intent.id)
    seen = browser.payment_intents.retrieve(intent.id, secret)
    paid = browser.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"} | secret)

    assert [error.http_status for error in (stolen, unwanted, unknown)] == [401, 401, 401]
    assert (seen.amount, "metadata" in seen, paid.status) == (5998, False, "succeeded")


def test_a_session_creates_its_intent_with_the_first_try_and_expires_with_it(stripe, provider, new_session):
    session = new_session()
    before = session.payment_intent
    session = stripe.checkout.sessions.retrieve(provider.decline(session.id)["id"])
    refused = refusal(stripe.payment_intents.cancel, session.payment_intent)
    expired = stripe.checkout.sessions.expire(session.id)
    intent = stripe.payment_intents.retrieve(session.payment_intent)
    again = refusal(stripe.checkout.sessions.expire, session.id)

    assert (before, session.status, session.amount_total) == (None, "open", 5998)
    assert session.expires_at - session.created == 24 * 3600
    assert "Checkout Session" in str(refused)
    assert (expired.status, expired.url, intent.status, intent.metadata["order_id"]) == (
        "expired",
        None,
        "canceled",
        "o1",
    )
    assert again.http_status == 400


def test_a_paid_session_names_its_intent_and_a_session_lives_half_an_hour_at_least(stripe, provider, new_session):
    now = int(time.time())
    short = refusal(lambda: new_session(expires_at=now + HALF_AN_HOUR - 60))
    session = new_session(expires_at=now + HALF_AN_HOUR + 60)

    paid = provider.pay(session.id)
    provider.set_habits(clock_offset_seconds=2 * HALF_AN_HOUR)
    late = stripe.checkout.sessions.retrieve(session.id)
    listed = stripe.checkout.sessions.list({"payment_intent": paid["payment_intent"]})

    assert short.param == "expires_at"
    assert (paid["status"], paid["payment_status"], late.status) == ("complete", "paid", "complete")
    assert [one.id for one in listed.data] == [session.id]


def test_refunds_never_exceed_the_payment_and_say_how_they_ended(stripe, provider, intent):
    nothing = refusal(stripe.refunds.create, {"payment_intent": intent.id})
    provider.pay(intent.id)

    part = stripe.refunds.create({"payment_intent": intent.id, "amount": 2000, "metadata": {"attempt": "1"}})
    too_much = refusal(stripe.refunds.create, {"payment_intent": intent.id, "amount": 3999})
    provider.set_habits(refunds="pending")
    rest = stripe.refunds.create({"payment_intent": intent.id})
    all_back = refusal(stripe.refunds.create, {"payment_intent": intent.id})
    provider.settle(rest.id, "failed")

    assert (nothing.http_status, too_much.http_status, all_back.code) == (400, 400, "charge_already_refunded")
    assert (part.status, part.metadata["attempt"], rest.status, rest.amount) == ("succeeded", "1", "pending", 3998)
    assert stripe.refunds.retrieve(rest.id).failure_reason == "declined"
    assert [one.id for one in stripe.refunds.list({"payment_intent": intent.id}).data] == [rest.id, part.id]
    assert provider.given_back(intent.id) == 2000
    assert [event["type"] for event in provider.events()][-3:] == ["charge.refunded", "refund.updated", "refund.failed"]


def test_lists_are_newest_first_by_pages_and_events_keep_what_was(stripe, provider):
    begin = int(time.time())
    intents = [stripe.payment_intents.create({"amount": 100 + n, "currency": "usd"}) for n in range(5)]
    provider.pay(intents[0].id)

    listed = [one.id for one in stripe.payment_intents.list({"created": {"gte": begin}, "limit": 2}).auto_paging_iter()]
    created = {"types": ["payment_intent.created"], "created": {"gte": begin}, "limit": 2}
    events = list(stripe.events.list(created).auto_paging_iter())
    provider.set_habits(clock_offset_seconds=24 * 3600)
    tomorrow = stripe.events.list({"created": {"gte": begin + 12 * 3600}}).data

    assert listed[:5] == [one.id for one in reversed(intents)]
    assert [event.data.object.id for event in events][:5] == listed[:5]
    assert {event.data.object.status for event in events} == {"requires_payment_method"}
    assert (events[0].api_version, tomorrow) == (stripe_library.api_version, [])
    assert stripe_library.api_version == API_VERSION


def test_an_unknown_object_or_address_is_not_found(stripe, provider):
    missing = refusal(stripe.payment_intents.retrieve, "pi_none")
    unlisted = refusal(stripe.events.list, {"starting_after": "evt_none"})

    assert (missing.http_status, missing.code, unlisted.code) == (404, "resource_missing", "resource_missing")
    assert refusal(stripe.charges.retrieve, "ch_none").http_status == 404

"""Idempotency keys, rate limits, and the bad habits that tests and people switch on."""

import http.client
import json
import threading

import httpx
import pytest
import stripe as stripe_library

from flashsale.local_provider.running import running
from flashsale.tests.support.processes import WAIT_SECONDS, wait_until

INTENT = {"amount": 5998, "currency": "usd"}
CREATE, CANCEL = "POST /v1/payment_intents", "POST /v1/payment_intents/{id}/cancel"


def outcome(call, *args) -> str:
    """Return the id of what was made, or the error's status and code."""
    try:
        return call(*args).id
    except stripe_library.StripeError as error:
        return f"{error.http_status} {error.error.code if error.error else None}"


def keyed(key: str) -> dict:
    return {"idempotency_key": key}


def made(provider, key: str) -> int:
    """Return how many intents have this key as their order."""
    return len([one for one in provider.objects("payment_intent") if one["metadata"].get("order_id") == key])


def test_a_key_repeats_its_first_answer_for_a_day_and_takes_no_other_parameters(stripe, provider):
    first = outcome(stripe.payment_intents.create, INTENT, keyed("k1"))
    again = outcome(stripe.payment_intents.create, INTENT, keyed("k1"))
    other = outcome(stripe.payment_intents.create, INTENT | {"amount": 5999}, keyed("k1"))
    provider.let_a_day_pass()

    assert (again, other) == (first, "400 None")
    assert outcome(stripe.payment_intents.create, INTENT, keyed("k1")) not in (first, other)


@pytest.mark.parametrize(
    ("fault", "told", "told_again", "count"),
    [
        ("500", "500 None", "500 None", 0),
        ("made_then_500", "500 None", "500 None", 1),
        ("reset", "None None", "made", 1),
        ("dropped", "None None", "made", 1),
        ("409", "409 idempotency_key_in_use", "made", 1),
        ("429", "429 rate_limit", "made", 1),
        ("lock_timeout", "429 lock_timeout", "made", 1),
        ("502", "502 None", "made", 1),
    ],
)
def test_a_key_keeps_what_was_executed_and_a_fault_of_the_server(stripe, provider, fault, told, told_again, count):
    params = INTENT | {"metadata": {"order_id": fault}}
    provider.fail_next(fault, endpoint=CREATE)

    answers = [outcome(stripe.payment_intents.create, params, keyed(fault)) for _ in range(2)]

    assert [(answer.startswith("pi_") and "made") or answer for answer in answers] == [told, told_again]
    assert made(provider, fault) == count


def test_a_refused_parameter_does_not_use_up_its_key(stripe):
    refused = outcome(stripe.payment_intents.create, INTENT | {"amount": 1}, keyed("k2"))

    assert refused == "400 amount_too_small"
    assert outcome(stripe.payment_intents.create, INTENT, keyed("k2")).startswith("pi_")


def test_a_key_in_use_is_a_conflict_and_the_late_answer_is_the_first(stripe, provider):
    params, answers = INTENT | {"metadata": {"order_id": "late"}}, []
    provider.set_habits(delay_seconds=WAIT_SECONDS)
    thread = threading.Thread(
        target=lambda: answers.append(outcome(stripe.payment_intents.create, params, keyed("late")))
    )
    thread.start()
    wait_until(lambda: made(provider, "late") == 1)

    meanwhile = outcome(stripe.payment_intents.create, params, keyed("late"))
    provider.end_waiting()
    thread.join(WAIT_SECONDS)

    assert meanwhile == "409 idempotency_key_in_use"
    assert answers == [outcome(stripe.payment_intents.create, params, keyed("late"))]
    assert made(provider, "late") == 1


def test_each_endpoint_answers_25_requests_a_second(client_of):
    with running() as provider:
        stripe = client_of(provider.url).v1
        provider.freeze_rate_limits()

        answers = [outcome(stripe.payment_intents.retrieve, "pi_none") for _ in range(26)]

        assert answers == ["404 resource_missing"] * 25 + ["429 rate_limit"]
        assert stripe.events.list().object == "list"


def test_a_cancellation_that_comes_too_late_finds_the_payment_made(stripe, provider, new_session):
    provider.set_habits(cancel="too_late")
    intent, session = stripe.payment_intents.create(INTENT), new_session()

    told = [outcome(stripe.payment_intents.cancel, intent.id), outcome(stripe.checkout.sessions.expire, session.id)]

    assert told == ["400 payment_intent_unexpected_state", "400 None"]
    assert provider.find(intent.id)["status"] == "succeeded"
    assert provider.find(session.id)["payment_status"] == "paid"


def test_a_payment_in_processing_succeeds_or_fails_later(stripe, provider, new_session):
    provider.set_habits(processing=True)
    intent, session = stripe.payment_intents.create(INTENT), new_session()
    confirmed = stripe.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"})
    unpaid = provider.pay(session.id)

    provider.settle(intent.id, "failed")
    httpx.post(f"{provider.url}/settle", json={"id": unpaid["payment_intent"], "outcome": "succeeded"})

    assert (confirmed.status, unpaid["status"], unpaid["payment_status"]) == ("processing", "complete", "unpaid")
    assert provider.find(intent.id)["status"] == "requires_payment_method"
    assert provider.find(session.id)["payment_status"] == "paid"
    assert provider.events()[-1]["type"] == "checkout.session.async_payment_succeeded"


def test_habits_are_set_and_shown_and_empty_ones_are_good_behaviour(stripe, provider):
    habits = {"errors": {"500": 1}, "next": ["429", {"fault": "reset", "endpoint": CANCEL}], "only": [CREATE]}

    shown = httpx.post(f"{provider.url}/habits", json=habits).json()
    answers = [outcome(stripe.payment_intents.create, INTENT) for _ in range(2)]
    others = outcome(stripe.payment_intents.retrieve, "pi_none")
    left = httpx.get(f"{provider.url}/habits").json()["next"]
    httpx.post(f"{provider.url}/habits", json={})

    assert (shown["errors"], shown["webhooks"]) == ({"500": 1}, "on_time")
    assert (answers, others) == (["429 rate_limit", "500 None"], "404 resource_missing")
    assert left == [{"fault": "reset", "endpoint": CANCEL}]
    assert outcome(stripe.payment_intents.create, INTENT).startswith("pi_")


@pytest.mark.parametrize(
    "habits",
    [
        {"webhook": "never"}, {"webhooks": "sometimes"}, {"webhooks": ["never"]}, {"errors": {"418": 1}},
        {"errors": {"500": 2}}, {"delay_seconds": "3"}, {"delay_seconds": True}, {"processing": 1}, {"next": ["418"]},
        {"next": [{"fault": []}]}, {"only": ["POST /v1/nothing"]}, [], "never",
    ],
    ids=repr,
)  # fmt: skip
def test_an_unknown_habit_is_refused_and_changes_nothing(provider, habits):
    before = httpx.get(f"{provider.url}/habits").json()

    answer = httpx.post(f"{provider.url}/habits", json=habits)

    assert (answer.status_code, httpx.get(f"{provider.url}/habits").json()) == (400, before)


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Host": "elsewhere.example"},
    ],
    ids=str,
)
def test_a_page_of_another_origin_cannot_change_the_habits(provider, headers):
    sent = {"Content-Type": "application/json"} | headers

    answer = httpx.post(f"{provider.url}/habits", content=json.dumps({"webhooks": "never"}), headers=sent)
    preflight = httpx.options(f"{provider.url}/habits", headers={"Origin": "https://elsewhere.example"})

    assert (answer.status_code, preflight.status_code) == (403, 404)
    assert httpx.get(f"{provider.url}/habits").json()["webhooks"] == "on_time"


def test_requests_are_kept_to_look_at_without_their_keys_to_the_account(stripe, provider):
    outcome(stripe.payment_intents.create, INTENT, keyed("looked at"))

    listed = httpx.get(f"{provider.url}/requests")

    expected = {"amount": "5998", "currency": "usd"}
    assert listed.json()["requests"][-1] == {
        "endpoint": CREATE, "path": "/v1/payment_intents", "key": "looked at", "params": expected,
    }  # fmt: skip
    assert "sk_test" not in listed.text


def test_a_body_that_is_too_large_is_refused(provider):
    connection = http.client.HTTPConnection(provider.url.removeprefix("http://"), timeout=WAIT_SECONDS)
    connection.request("POST", "/v1/payment_intents", headers={"Content-Length": "99999999"})

    assert connection.getresponse().status == 413
    connection.close()

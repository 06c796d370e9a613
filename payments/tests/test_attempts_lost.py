"""Lost answers, and processes that die, between the shop and its provider: one payment for an order."""

import pytest
from django.db import transaction

from checkout import orders
from checkout.tests.factories import OrderFactory
from flashsale.local_provider.api.errors import INVALID_REQUEST, error_body
from flashsale.local_provider.behaviour.faults import Fault
from payments import attempt_records, attempts, request_slots
from payments.attempts import asking
from payments.models import Payment
from payments.providers.stripe import listing
from payments.tests.support.attempts import add_unasked, close_all, let_attempt_pass, only_attempt, shown, start

pytestmark = pytest.mark.django_db
LIST = "GET /v1/payment_intents"


@pytest.fixture
def order(db):
    return OrderFactory(quantity=2, product__price="29.99", product__currency="USD")


@pytest.mark.parametrize("fault", ["reset", "dropped", "500", "made_then_500", "502", "429", "409", "401"])
def test_the_next_request_makes_the_one_payment(provider, api, order, fault):
    provider.fail_next(fault, endpoint="POST /v1/payment_intents")

    first = start(api, order)
    assert (first.status_code, first.json()["payment"]["status"]) == (202, "creating")
    assert (first.json()["payment"]["client_secret"], first.headers["Retry-After"]) == (None, "1")
    let_attempt_pass(only_attempt(), seconds=60)
    answers = [start(api, order).status_code]
    let_attempt_pass(only_attempt(), seconds=10)
    answers.append(start(api, order).status_code)

    assert set(answers) <= {200, 201, 202}
    assert answers[-1] in (200, 201)
    assert len(provider.objects("payment_intent")) == 1


@pytest.mark.parametrize("status", [400, 402, 404])
def test_an_error_of_a_server_in_between_makes_no_second_payment(provider, api, order, status):
    provider.fail_next(Fault(status, {}, executes=True, is_between=True), endpoint="POST /v1/payment_intents")

    assert start(api, order).status_code == 202
    let_attempt_pass(only_attempt(), seconds=60)
    answer = start(api, order)

    assert answer.status_code in (200, 201)
    assert len(provider.objects("payment_intent")) == 1


def test_an_error_of_a_server_in_between_is_no_reason_to_look_away(provider, api, order):
    start(api, order)
    provider.fail_next(Fault(404, {}), endpoint="GET /v1/payment_intents/{id}")
    let_attempt_pass(only_attempt(), seconds=301)
    attempts.look_up_due()
    provider.pay(only_attempt().object_id)
    let_attempt_pass(only_attempt(), seconds=301)

    attempts.look_up_due()

    assert shown(api, order)["status"] == "paid"


def test_a_payment_that_cannot_be_found_in_a_long_list_is_made_again(provider, api, order, monkeypatch):
    """In a rush the list grows faster than it is read."""
    monkeypatch.setattr(listing, "PAGE_ITEMS", 2)
    monkeypatch.setattr(listing, "MAX_PAGES", 1)
    provider.fail_next("made_then_500", endpoint="POST /v1/payment_intents")
    start(api, order)
    for number in range(4):
        provider.add_paid_intent(f"pi_other{number}", 5998)
    let_attempt_pass(only_attempt(), seconds=30)

    attempts.run_due()
    answer = start(api, order)

    assert answer.status_code == 201
    lost, shown_to_the_buyer = (one for one in provider.objects("payment_intent") if one["status"] != "succeeded")
    assert answer.json()["payment"]["client_secret"] == shown_to_the_buyer["client_secret"] != lost["client_secret"]


def test_a_list_that_is_refused_says_nothing_of_the_payment(provider, api, order):
    provider.fail_next("made_then_500", endpoint="POST /v1/payment_intents")
    start(api, order)
    refused = Fault(400, error_body(INVALID_REQUEST, "No such parameter."))
    provider.fail_next(refused, endpoint=LIST)
    let_attempt_pass(only_attempt(), seconds=30)

    attempts.run_due()
    assert only_attempt().status == "creating"
    let_attempt_pass(only_attempt(), seconds=60)
    answer = start(api, order)

    assert answer.status_code == 201
    assert len(provider.objects("payment_intent")) == 1


def test_a_payment_that_was_made_before_a_saved_500_is_found(provider, api, order):
    provider.set_habits(errors={"made_then_500": 1})
    start(api, order)
    assert only_attempt().key_is_spent
    provider.set_habits()
    let_attempt_pass(only_attempt(), seconds=30)

    answer = start(api, order)

    assert answer.status_code == 201
    assert len(provider.objects("payment_intent")) == 1


def test_an_answer_that_was_lost_after_the_order_was_cancelled_is_closed(provider, api, order):
    provider.fail_next("reset", endpoint="POST /v1/payment_intents")
    start(api, order)
    orders.cancel(order.pk)

    close_all()

    assert only_attempt().status == "closed"
    assert all(intent["status"] == "canceled" for intent in provider.objects("payment_intent"))


def test_an_attempt_that_was_never_asked_for_is_closed_without_asking(provider, order):
    add_unasked(order)
    orders.cancel(order.pk)

    close_all()

    assert only_attempt().status == "closed"
    assert provider.received() == []


@pytest.mark.parametrize("dies", ["before the provider is asked", "before the answer is stored"])
def test_a_process_that_dies_leaves_one_payment(provider, api, order, monkeypatch, dies):
    class Died(BaseException):
        pass

    def die(*_args, **_kwargs):
        raise Died

    with monkeypatch.context() as patch:
        if dies == "before the provider is asked":
            patch.setattr(asking, "ask", die)
        else:
            patch.setattr(attempt_records, "store", die)
        with pytest.raises(Died):
            attempts.request(order.pk)
    let_attempt_pass(only_attempt(), seconds=60)

    attempts.run_due()

    assert start(api, order).status_code == 201
    assert len(provider.objects("payment_intent")) == 1


def test_the_lease_of_a_process_that_died_is_not_taken_before_it_ran_out(provider, api, order, monkeypatch):
    def die(*_args, **_kwargs):
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(asking, "ask", die)
        with pytest.raises(SystemExit):
            attempts.request(order.pk)

    assert attempts.run_due() == 0
    assert start(api, order).status_code == 202
    assert provider.received() == []


def test_a_process_that_asks_too_much_leaves_the_payment_to_the_next_request(provider, api, order, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(asking._asking, "_limit", lambda: 0)
        answers = [start(api, order), start(api, order)]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert (only_attempt().tries, provider.received()) == (0, [])

    assert start(api, order).status_code == 201


def test_a_request_without_a_slot_in_time_leaves_the_payment_to_the_next_one(provider, api, order, settings):
    settings.STRIPE_REQUESTS_PER_SECOND = 1
    for _ in range(3):
        with transaction.atomic():
            request_slots.reserve("stripe POST /v1/payment_intents", max_wait=60, is_urgent=True)

    answer = start(api, order)

    assert answer.status_code == 202
    assert (only_attempt().tries, provider.received()) == (0, [])


def test_a_process_that_dies_between_the_event_and_the_attempt_pays_once(provider, api, order, monkeypatch):
    class Died(BaseException):
        pass

    start(api, order)
    provider.pay(only_attempt().object_id)
    let_attempt_pass(only_attempt(), seconds=900)
    question = attempt_records.begin(only_attempt().pk, timeout=5, max_wait=5, is_urgent=True)

    def die(*_args, **_kwargs):
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr(attempt_records, "store", die)
        with pytest.raises(Died):
            asking.carry_out(question, timeout=5)
    let_attempt_pass(only_attempt(), seconds=900)
    close_all()
    attempts.look_up_due()

    assert Payment.objects.count() == 1
    assert shown(api, order)["status"] == "paid"
    assert only_attempt().status == "succeeded"

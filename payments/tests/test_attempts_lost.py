"""Lost answers, and processes that die, between the shop and its provider: one payment for an order."""

import pytest

from checkout import orders
from checkout.tests.factories import OrderFactory
from payments import attempt_records, attempts
from payments.attempts import asking
from payments.models import Payment
from payments.tests.support.attempts import close_all, let_attempt_pass, only_attempt, shown, start

pytestmark = pytest.mark.django_db


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
    attempt_records.add(
        order, client_name="stripe", return_url="", pay_until=order.payment_due_at, now=order.created_at
    )
    orders.cancel(order.pk)

    close_all()

    assert only_attempt().status == "closed"
    assert provider.received() == []


@pytest.mark.parametrize("dies", ["after the attempt", "after the lease", "before the answer is stored"])
def test_a_process_that_dies_leaves_one_payment(provider, api, order, monkeypatch, dies):
    class Died(BaseException):
        pass

    def die(*_args, **_kwargs):
        raise Died

    with monkeypatch.context() as patch:
        if dies == "after the attempt":
            patch.setattr(attempt_records, "begin", die)
        elif dies == "after the lease":
            patch.setattr(asking, "carry_out", die)
        else:
            patch.setattr(attempt_records, "store", die)
        with pytest.raises(Died):
            attempts.request(order.pk)
    let_attempt_pass(only_attempt(), seconds=60)

    attempts.run_due()

    assert start(api, order).status_code == 201
    assert len(provider.objects("payment_intent")) == 1


def test_a_process_that_dies_between_the_event_and_the_attempt_pays_once(provider, api, order, monkeypatch):
    class Died(BaseException):
        pass

    start(api, order)
    provider.pay(only_attempt().object_id)
    let_attempt_pass(only_attempt(), seconds=900)
    question = attempt_records.begin(only_attempt().pk, timeout=5, max_wait=5, is_urgent=True)

    def die(*_):
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

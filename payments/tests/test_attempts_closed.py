"""The till closes before the doors: what is over cannot be paid any more, and who pays in that moment has paid."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from catalog.tests.factories import ProductFactory
from checkout import orders
from checkout.tests.factories import OrderFactory, let_order_pass
from flashsale.local_provider.api.errors import INVALID_REQUEST, error_body
from flashsale.local_provider.behaviour.faults import Fault
from flashsale.tests.support.processes import WAIT_SECONDS, wait_until
from payments import attempt_records, attempts
from payments.attempts import due, time_limits
from payments.models import Payment, PaymentAttempt, WebhookEvent
from payments.providers import PAYMENT_CLIENTS
from payments.tests.factories import receive
from payments.tests.support.attempts import (
    WEBHOOK_PATH,
    add_unasked,
    check,
    close_all,
    deliver,
    let_attempt_pass,
    only_attempt,
    shown,
    start,
)

pytestmark = pytest.mark.django_db
CREATE = "POST /v1/payment_intents"


@pytest.fixture
def order(db):
    return OrderFactory(quantity=2, product__price="29.99", product__currency="USD")


def run_and_disconnect() -> None:
    try:
        attempts.run_due()
    finally:
        connection.close()


def test_closes_before_the_order_expires(api, provider, order):
    start(api, order)
    let_attempt_pass(only_attempt(), seconds=856)

    let_order_pass(order, seconds=856)
    close_all()

    assert provider.objects("payment_intent")[0]["status"] == "canceled"
    assert only_attempt().status == "closed"
    assert shown(api, order)["status"] == "pending_payment"
    assert start(api, order).json()["code"] == "payment_closed"


def test_hands_out_no_secret_once_it_closes(api, provider, order):
    start(api, order)
    let_attempt_pass(only_attempt(), seconds=856)
    attempt_records.close_overdue()

    answer = start(api, order)

    assert answer.json()["code"] == "payment_closed"
    assert (only_attempt().client_secret, only_attempt().url) == ("", "")


@pytest.mark.parametrize("leave", [orders.cancel, orders.revoke], ids=["buyer", "staff"])
def test_closes_when_the_order_is_cancelled(provider, api, order, leave):
    start(api, order)

    leave(order.pk)

    assert only_attempt().status == "closing"
    close_all()
    assert provider.objects("payment_intent")[0]["status"] == "canceled"
    assert only_attempt().status == "closed"


def test_closes_when_the_order_expires(provider, api, order):
    start(api, order)
    let_order_pass(order)

    orders.expire_due()

    assert only_attempt().status == "closing"


def test_our_own_cancel_ends_no_order(provider, api, order):
    start(api, order)
    let_attempt_pass(only_attempt(), seconds=856)
    close_all()

    deliver(api, provider)

    assert shown(api, order)["status"] == "pending_payment"
    assert WebhookEvent.objects.get(type="payment_intent.canceled").status == "ignored"


def test_a_cancel_in_the_providers_dashboard_ends_the_order(provider, api, order):
    start(api, order)
    client = PAYMENT_CLIENTS["stripe"]
    client.end(only_attempt(), timeout=5)

    deliver(api, provider)

    assert shown(api, order)["status"] == "cancelled"


def test_the_failure_of_a_superseded_payment_changes_nothing(provider, api, order):
    start(api, order)
    PAYMENT_CLIENTS["stripe"].end(only_attempt(), timeout=5)
    late = provider.take_webhooks()
    let_attempt_pass(only_attempt(), seconds=301)
    attempts.look_up_due()
    assert start(api, order).status_code == 201
    newest = PaymentAttempt.objects.latest("number")
    provider.pay(newest.object_id)
    deliver(api, provider)

    for body, headers in late:
        assert api.post(WEBHOOK_PATH, data=body, content_type="application/json", headers=headers).status_code == 200

    assert shown(api, order)["status"] == "paid"
    assert [one.status for one in PaymentAttempt.objects.order_by("number")] == ["closed", "succeeded"]


def test_a_buyer_who_pays_as_it_closes_has_paid(provider, api, order):
    start(api, order)
    provider.set_habits(cancel="too_late")
    let_attempt_pass(only_attempt(), seconds=856)

    close_all()

    assert shown(api, order)["status"] == "paid"
    assert only_attempt().status == "succeeded"
    deliver(api, provider)
    assert Payment.objects.count() == 1
    assert not WebhookEvent.objects.filter(status="needs_review").exists()


def test_another_payment_closes_it(provider, api, order):
    start(api, order)

    receive(order_id=order.pk, payment_id="pay_by_cash")
    close_all()

    assert only_attempt().status == "closed"
    assert provider.objects("payment_intent")[0]["status"] == "canceled"


def test_money_that_comes_as_it_closes_beside_another_payment_is_given_back(provider, api, order):
    start(api, order)
    provider.set_habits(cancel="too_late")

    receive(order_id=order.pk, payment_id="pay_by_cash")
    close_all()

    assert only_attempt().status == "succeeded"
    assert Payment.objects.get(provider="stripe").status == "refund_due"


def test_a_payment_in_processing_for_days_stays_closing_and_its_order_expires(provider, api, order):
    start(api, order)
    provider.set_habits(processing=True)
    provider.pay(only_attempt().object_id)
    let_attempt_pass(only_attempt(), seconds=856)
    attempts.run_due()
    let_order_pass(order)
    orders.expire_due()
    for _ in range(3):
        let_attempt_pass(only_attempt(), seconds=86_400)
        attempts.run_due()

    assert only_attempt().status == "closing"
    provider.settle(only_attempt().object_id, "succeeded")
    let_attempt_pass(only_attempt(), seconds=86_400)
    close_all()
    assert only_attempt().status == "succeeded"
    assert shown(api, order)["status"] == "paid"


def test_a_page_that_does_not_exist_in_between_does_not_leave_it_payable(provider, api, order):
    start(api, order)
    provider.fail_next(Fault(404, {}), endpoint="POST /v1/payment_intents/{id}/cancel")
    orders.cancel(order.pk)
    attempts.run_due()
    let_attempt_pass(only_attempt(), seconds=60)

    close_all()

    assert only_attempt().status == "closed"
    assert provider.objects("payment_intent")[0]["status"] == "canceled"


def test_one_that_the_provider_does_not_know_is_asked_about_every_hour_and_told_of(provider, api, order, client):
    start(api, order)
    unknown = Fault(404, error_body(INVALID_REQUEST, "No such payment_intent", code="resource_missing"))
    provider.fail_next(*[unknown] * 3, endpoint="POST /v1/payment_intents/{id}/cancel")
    orders.cancel(order.pk)
    for _ in range(3):
        assert attempts.run_due() == 1
        let_attempt_pass(only_attempt(), seconds=3500)
        assert attempts.run_due() == 0
        let_attempt_pass(only_attempt(), seconds=200)
    assert only_attempt().status == "closing"
    assert "flashsale_payment_attempts_unanswered 1.0" in client.get("/metrics").content.decode()

    attempts.run_due()

    assert only_attempt().status == "closed"


def test_one_that_the_provider_does_not_know_for_a_day_is_closed(provider, api, order):
    """However often it was asked: each check of a buyer asks, too."""
    start(api, order)
    unknown = Fault(404, error_body(INVALID_REQUEST, "No such payment_intent", code="resource_missing"))
    provider.fail_next(*[unknown] * 31, endpoint="POST /v1/payment_intents/{id}/cancel")
    orders.cancel(order.pk)
    attempts.run_due()
    for _ in range(29):
        let_attempt_pass(only_attempt(), seconds=10)
        check(api, order)
    assert (only_attempt().status, only_attempt().tries) == ("closing", 30)
    let_attempt_pass(only_attempt(), seconds=86_400 + 900)

    attempts.run_due()

    assert only_attempt().status == "closed"
    assert "No such payment_intent" in only_attempt().last_error


@pytest.mark.django_db(transaction=True)
def test_payments_are_closed_while_the_provider_is_slow_in_making_others(provider, api, monkeypatch):
    product = ProductFactory(stock=100)
    over, waiting = OrderFactory.create_batch(21, product=product), OrderFactory.create_batch(20, product=product)
    for one in over:
        start(api, one)
    for one in waiting:
        add_unasked(one)
    monkeypatch.setattr(time_limits, "TASK_TIMEOUT_SECONDS", WAIT_SECONDS)
    provider.set_habits(delay_seconds=WAIT_SECONDS, only=[CREATE])
    made = len(provider.received(CREATE))
    for one in over[1:]:
        orders.cancel(one.pk)

    with ThreadPoolExecutor(1) as thread:
        run = thread.submit(run_and_disconnect)
        wait_until(
            lambda: len(provider.received(CREATE)) == made + due.THREADS // 2, what="all threads that make some wait"
        )
        wait_until(lambda: PaymentAttempt.objects.filter(status="closed").count() == 20, what="all others are closed")
        orders.cancel(over[0].pk)
        wait_until(lambda: PaymentAttempt.objects.get(order=over[0]).status == "closed", what="one more is closed")
        assert not run.done()
        provider.set_habits()
        provider.end_waiting()
        run.result(WAIT_SECONDS)

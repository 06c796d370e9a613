"""Money on its way back, against the local provider with all its faults."""

import threading

import pytest

from catalog.tests.factories import ProductFactory
from checkout import orders
from checkout.tests.factories import OrderFactory
from flashsale.core import clock
from flashsale.tests.support.processes import WAIT_SECONDS
from flashsale.tests.support.racing import at_once, times
from payments import payment_records, refunds, tasks
from payments.models import Payment, Refund, WebhookEvent
from payments.refunds import attempts, sending
from payments.tests.factories import let_refund_pass
from payments.tests.support.provider_refunds import (
    CREATE,
    INSUFFICIENT_FUNDS,
    REFUND_FAILED,
    fail_refunds,
    keys_sent,
    looked_up,
)
from payments.tests.support.refunding import attempts_made, run_after_the_wait, state
from payments.tests.support.stripe_events import INTENT, charge, event, intent, outcome, send

pytestmark = pytest.mark.usefixtures("live")

REFUSED = {"insufficient funds": INSUFFICIENT_FUNDS, "refund failed": REFUND_FAILED}


def test_money_that_is_due_is_given_back_once(stripe, due):
    tasks.refund_payments()
    tasks.refund_payments()

    assert state(due) == ("refunded", "done", "59.98")
    assert attempts_made() == [(1, "accepted", 1)]
    sent = {"payment_intent": INTENT, "amount": "5998", "metadata[refund_attempt]": f"{INTENT}:1"}
    assert [(one.key, one.params) for one in stripe.received(CREATE)] == [(f"{INTENT}:1", sent)]
    assert looked_up(stripe) == []


@pytest.mark.parametrize("status", ["pending", "requires_action"])
def test_a_refund_under_way_at_the_bank_counts_as_given_back(stripe, due, status):
    stripe.set_habits(refunds=status)

    tasks.refund_payments()

    assert state(due) == ("refunded", "done", "59.98")


@pytest.mark.parametrize("fault", REFUSED)
def test_after_a_definite_refusal_another_attempt_begins(stripe, due, fault):
    fail_refunds(stripe, REFUSED[fault])

    tasks.refund_payments()
    tasks.refund_payments()
    asked_at_once = len(keys_sent(stripe))
    run_after_the_wait()

    assert asked_at_once == 1
    assert keys_sent(stripe) == [f"{INTENT}:1", f"{INTENT}:2"]
    assert attempts_made() == [(1, "refused", 1), (2, "accepted", 1)]
    assert state(due) == ("refunded", "done", "59.98")


def test_refused_too_often_it_stays_with_staff(stripe, due):
    fail_refunds(stripe, *[INSUFFICIENT_FUNDS] * 20)

    for _ in range(attempts.MAX_ATTEMPTS + 3):
        run_after_the_wait()

    assert keys_sent(stripe) == [f"{INTENT}:{n}" for n in range(1, attempts.MAX_ATTEMPTS + 1)]
    assert state(due) == ("refund_due", "due", "0")


def test_unanswered_too_often_it_stays_with_staff(stripe, due, admin_user):
    fail_refunds(stripe, *["409"] * 50)

    for _ in range(attempts.MAX_TRIES + 3):
        run_after_the_wait()
    asked = len(keys_sent(stripe))
    refunds.mark_refunded(due, staff=admin_user, note="by bank transfer")

    assert (asked, attempts_made()) == (attempts.MAX_TRIES, [(1, "sent", attempts.MAX_TRIES)])
    assert state(due) == ("refunded", "done", "59.98")


def test_money_that_was_given_back_already_counts_as_given_back(stripe, due):
    stripe.add_refund(INTENT, 5998)

    tasks.refund_payments()

    assert state(due) == ("refunded", "done", "59.98")
    assert "has already been refunded" in Refund.objects.get().last_error


def test_only_what_is_left_is_given_back(api, stripe, due):
    stripe.add_refund(INTENT, 1000)
    send(api, event("charge.refunded", charge(1000)))

    tasks.refund_payments()

    assert stripe.received(CREATE)[0].params["amount"] == "4998"
    assert state(due) == ("refunded", "done", "59.98")


@pytest.mark.parametrize("webhook_first", [True, False])
def test_the_webhook_of_an_own_refund_changes_nothing_more(api, stripe, due, webhook_first):
    if webhook_first:
        fail_refunds(stripe, "reset")
    tasks.refund_payments()

    told = outcome(send(api, event("charge.refunded", charge(5998))))
    run_after_the_wait()

    assert told == ("applied" if webhook_first else "ignored")
    assert state(due) == ("refunded", "done", "59.98")
    assert stripe.given_back(INTENT) == 5998


def test_a_process_that_dies_while_asking_loses_and_doubles_nothing(stripe, due, monkeypatch):
    class Killed(BaseException):
        pass

    def die(*_args):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(attempts, "store_answer", die)
        with pytest.raises(Killed):
            tasks.refund_payments()
    between = (state(due), attempts_made())
    run_after_the_wait()

    assert between == (("refund_due", "due", "0"), [(1, "sent", 1)])
    assert (keys_sent(stripe), looked_up(stripe)) == ([f"{INTENT}:1"], [INTENT])
    assert stripe.given_back(INTENT) == 5998
    assert state(due) == ("refunded", "done", "59.98")


def test_no_more_are_begun_in_an_hour_than_allowed(api, stripe, settings, product):
    settings.STRIPE_REFUNDS_PER_HOUR = 2
    for number in range(4):
        order = OrderFactory(product=product, quantity=2)
        orders.cancel(order.pk)
        stripe.add_paid_intent(f"pi_{number}", 5998)
        send(api, event("payment_intent.succeeded", intent(order, id=f"pi_{number}")))

    tasks.refund_payments()
    tasks.refund_payments()
    in_the_first_hour = keys_sent(stripe)
    for refund in Refund.objects.all():
        let_refund_pass(refund, seconds=3_700)
    tasks.refund_payments()

    assert in_the_first_hour == ["pi_0:1", "pi_1:1"]
    assert keys_sent(stripe) == ["pi_0:1", "pi_1:1", "pi_2:1", "pi_3:1"]


def test_switched_off_nothing_is_asked(stripe, settings, due):
    settings.STRIPE_AUTO_REFUND = False

    tasks.refund_payments()

    assert (stripe.received(), attempts_made()) == ([], [])


@pytest.mark.parametrize(("currency", "price", "minor"), [("JPY", "500", 1000), ("KWD", "1.250", 2500)])
def test_a_refund_is_asked_for_in_minor_units(api, stripe, currency, price, minor):
    order = OrderFactory(product=ProductFactory(price=price, currency=currency), quantity=2)
    orders.cancel(order.pk)
    stripe.add_paid_intent(INTENT, minor, currency=currency.lower())
    send(api, event("payment_intent.succeeded", intent(order, amount_received=minor, currency=currency.lower())))

    tasks.refund_payments()

    assert stripe.given_back(INTENT) == minor
    assert Payment.objects.get().status == "refunded"


def test_money_known_by_an_events_id_only_is_left_to_staff(api, stripe, order):
    orders.cancel(order.pk)
    body = event("checkout.session.completed", {
        "id": "cs_1", "object": "checkout.session", "amount_total": 5998, "currency": "usd",
        "metadata": {"order_id": str(order.pk)}, "payment_intent": None, "payment_status": "paid",
    })  # fmt: skip
    assert outcome(send(api, body)) == "applied"

    tasks.refund_payments()

    assert keys_sent(stripe) == []
    assert Payment.objects.get().status == "refund_due"


@pytest.mark.django_db(transaction=True)
def test_two_workers_ask_once(stripe, api, order):
    orders.cancel(order.pk)
    send(api, event("payment_intent.succeeded", intent(order)))

    at_once(*times(4, tasks.refund_payments))

    assert keys_sent(stripe) == [f"{INTENT}:1"]
    assert attempts_made() == [(1, "accepted", 1)]


@pytest.mark.django_db(transaction=True)
def test_control_without_the_look_under_the_lock_two_workers_ask_twice(stripe, api, order, monkeypatch):
    orders.cancel(order.pk)
    send(api, event("payment_intent.succeeded", intent(order)))
    due = list(attempts.due(clock.now()))
    monkeypatch.setattr(attempts, "due", lambda now: Payment.objects.filter(pk=due[0].pk))
    both_have_begun, send_attempt = threading.Barrier(2), sending._send

    def wait_and_ask(*args):
        both_have_begun.wait(WAIT_SECONDS)
        return send_attempt(*args)

    monkeypatch.setattr(sending, "_send", wait_and_ask)

    at_once(*times(2, tasks.refund_payments))

    assert keys_sent(stripe) == [f"{INTENT}:1"] * 2


def test_more_than_was_paid_is_never_given_back(due):
    locked = payment_records.lock(due)

    with pytest.raises(payment_records.RefundTooLarge):
        payment_records.record_refund(locked, amount=locked.amount + 1)

    assert WebhookEvent.objects.count() == 1

"""Refunds without a definite answer: looked up at the provider before they are sent again, and under which key."""

from datetime import timedelta

import pytest
import stripe as stripe_library
from django.db import transaction

from checkout import orders
from flashsale.core import clock
from flashsale.tests.support.racing import at_once, times
from payments import refunds, request_slots, tasks
from payments.models import Refund, RequestSlot
from payments.providers.base import RefundAnswer, RefundOutcome
from payments.providers.stripe import refunds as stripe_refunds
from payments.refunds import attempts, sending
from payments.tests.factories import let_refund_pass
from payments.tests.support.provider_refunds import (
    API_KEY,
    CREATE,
    LIST,
    UNREADABLE,
    fail_refunds,
    keys_sent,
    looked_up,
    refund_made,
)
from payments.tests.support.refunding import attempts_made, run_after_the_wait, state
from payments.tests.support.stripe_events import INTENT, charge, event, intent, send

pytestmark = pytest.mark.usefixtures("live")

NOT_DONE = ["409", "429", "lock_timeout", "403"]
LOST_AFTER_IT_WAS_DONE = ["reset", "made_then_500"]
SPENT = ["500", "502"]
# Long enough for the first wait, and short enough for a key to be remembered.
A_LITTLE = 600


class Killed(BaseException):
    pass


@pytest.fixture
def die_in(monkeypatch):
    """Returns a function that lets the process die before or after `attempts.<function>` or `sending.<function>`."""

    def die(name: str, *, afterwards: bool) -> None:
        module_name, function_name = name.split(".")
        module = {"attempts": attempts, "sending": sending}[module_name]
        real = getattr(module, function_name)

        def killed(*args, **kwargs):
            if afterwards:
                real(*args, **kwargs)
            raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(module, function_name, killed)
            with pytest.raises(Killed):
                run_after_the_wait(seconds=A_LITTLE)

    return die


def keys_of(*numbers: int) -> list[str]:
    return [f"{INTENT}:1" if number == 1 else f"{INTENT}:1:{number}" for number in numbers]


@pytest.mark.parametrize("fault", ["hang", *NOT_DONE])
def test_what_the_list_does_not_show_is_sent_again_under_the_same_key(stripe, due, fault, monkeypatch):
    fail_refunds(stripe, fault)

    with monkeypatch.context() as patched:
        if fault == "hang":
            patched.setattr(stripe_refunds, "REQUEST_SECONDS", 0.3)
        tasks.refund_payments()
    before = state(due)
    tasks.refund_payments()
    asked_at_once = len(keys_sent(stripe))
    run_after_the_wait(seconds=A_LITTLE)

    assert (before, asked_at_once) == (("refund_due", "due", "0"), 1)
    assert (keys_sent(stripe), looked_up(stripe)) == (keys_of(1, 1), [INTENT])
    assert (state(due), attempts_made()) == (("refunded", "done", "59.98"), [(1, "accepted", 2)])
    assert stripe.given_back(INTENT) == 5998


@pytest.mark.parametrize("fault", LOST_AFTER_IT_WAS_DONE)
def test_what_the_list_shows_as_ours_is_not_sent_again(stripe, due, fault):
    fail_refunds(stripe, fault)

    tasks.refund_payments()
    run_after_the_wait(seconds=A_LITTLE)

    assert (keys_sent(stripe), looked_up(stripe)) == (keys_of(1), [INTENT])
    assert (state(due), attempts_made()) == (("refunded", "done", "59.98"), [(1, "accepted", 2)])
    assert Refund.objects.get().refund_id == refund_made(stripe)


@pytest.mark.parametrize("fault", SPENT)
def test_after_a_fault_of_the_server_another_key_is_used_once_the_list_shows_nothing(stripe, due, fault):
    fail_refunds(stripe, fault)

    tasks.refund_payments()
    run_after_the_wait(seconds=A_LITTLE)

    assert (keys_sent(stripe), looked_up(stripe)) == (keys_of(1, 2), [INTENT])
    assert (state(due), attempts_made()) == (("refunded", "done", "59.98"), [(1, "accepted", 2)])
    assert stripe.given_back(INTENT) == 5998


def test_a_fault_of_the_server_at_each_try_uses_a_key_each_and_ends_with_staff(stripe, due):
    fail_refunds(stripe, *["500"] * 50)

    for _ in range(attempts.MAX_TRIES + 3):
        run_after_the_wait(seconds=8 * 3600)

    assert keys_sent(stripe) == keys_of(*range(1, attempts.MAX_TRIES + 1))
    assert attempts_made() == [(1, "sent", attempts.MAX_TRIES)]
    assert state(due) == ("refund_due", "due", "0")


@pytest.mark.parametrize("fault", ["reset", "500", *UNREADABLE])
def test_a_look_up_without_an_answer_sends_nothing(stripe, due, fault):
    fail_refunds(stripe, "409")
    stripe.fail_next(UNREADABLE.get(fault, fault), endpoint=LIST)

    tasks.refund_payments()
    run_after_the_wait(seconds=A_LITTLE)
    between = (keys_sent(stripe), attempts_made(), Refund.objects.get().key_is_spent)
    run_after_the_wait(seconds=A_LITTLE)

    assert between == (keys_of(1), [(1, "sent", 2)], False)
    assert (keys_sent(stripe), stripe.given_back(INTENT)) == (keys_of(1, 1), 5998)


def test_a_refund_of_ours_that_failed_begins_another_attempt(stripe, due):
    fail_refunds(stripe, "500")
    tasks.refund_payments()
    stripe.add_refund(INTENT, 5998, status="failed", metadata={"refund_attempt": f"{INTENT}:1"})

    run_after_the_wait(seconds=A_LITTLE)
    run_after_the_wait()

    assert attempts_made() == [(1, "refused", 2), (2, "accepted", 1)]
    assert keys_sent(stripe) == [f"{INTENT}:1", f"{INTENT}:2"]


@pytest.mark.parametrize("metadata", [{}, {"refund_attempt": f"{INTENT}:2"}, {"refund_attempt": "of another shop"}])
@pytest.mark.parametrize("amount", [5998, 1000])
def test_a_refund_that_is_not_ours_stops_the_tries_and_leaves_it_to_staff(stripe, due, admin_user, metadata, amount):
    fail_refunds(stripe, "500")
    tasks.refund_payments()
    stripe.add_refund(INTENT, amount, metadata=metadata)

    for _ in range(3):
        run_after_the_wait()
    left = Refund.objects.get()
    of_the_provider = state(due)
    refunds.mark_refunded(due, staff=admin_user, note="the provider's list shows it")

    assert (keys_sent(stripe), stripe.given_back(INTENT)) == (keys_of(1), amount)
    assert (left.status, left.next_try_at, of_the_provider) == ("sent", None, ("refund_due", "due", "0"))
    assert refund_made(stripe) in left.last_error
    assert state(due) == ("refunded", "done", "59.98")


def test_refunds_that_events_told_of_before_do_not_stop_it(api, stripe, due):
    stripe.add_refund(INTENT, 1000)
    send(api, event("charge.refunded", charge(1000)))
    fail_refunds(stripe, "500")

    tasks.refund_payments()
    run_after_the_wait(seconds=A_LITTLE)

    assert (keys_sent(stripe), stripe.given_back(INTENT)) == (keys_of(1, 2), 5998)
    assert state(due) == ("refunded", "done", "59.98")


def test_a_key_that_is_a_day_old_is_not_used_again(stripe, due):
    fail_refunds(stripe, "409")
    tasks.refund_payments()
    stripe.let_a_day_pass()

    run_after_the_wait(seconds=24 * 3600)

    assert (keys_sent(stripe), looked_up(stripe)) == (keys_of(1, 2), [INTENT])
    assert stripe.given_back(INTENT) == 5998


def test_a_refund_that_was_made_a_day_ago_is_found(stripe, due):
    fail_refunds(stripe, "reset")
    tasks.refund_payments()
    stripe.let_a_day_pass()

    run_after_the_wait(seconds=24 * 3600)

    assert (keys_sent(stripe), stripe.given_back(INTENT)) == (keys_of(1), 5998)
    assert state(due) == ("refunded", "done", "59.98")


def test_an_attempt_that_the_version_before_began_is_looked_up_and_gets_a_key_that_fits(stripe, due):
    now = clock.now()
    due.refunds.create(attempt=1, amount=due.amount, status="sent", tries=1, created_at=now, next_try_at=now)
    fail_refunds(stripe, "500")
    client = stripe_library.StripeClient(API_KEY, base_addresses={"api": stripe.url}, max_network_retries=0)
    with pytest.raises(stripe_library.APIError):
        client.v1.refunds.create({"payment_intent": INTENT, "amount": 5998}, {"idempotency_key": f"{INTENT}:1"})

    run_after_the_wait(seconds=A_LITTLE)
    run_after_the_wait(seconds=A_LITTLE)

    assert (keys_sent(stripe), stripe.given_back(INTENT)) == (keys_of(1, 1, 2), 5998)


@pytest.mark.parametrize("afterwards", [True, False])
@pytest.mark.parametrize("function", ["attempts.prepare_resend", "sending._send", "sending._answer_in"])
@pytest.mark.parametrize("fault", [*SPENT, *LOST_AFTER_IT_WAS_DONE, "409"])
def test_a_process_that_dies_on_the_way_gives_back_once(stripe, due, die_in, fault, function, afterwards):
    fail_refunds(stripe, fault)
    tasks.refund_payments()
    if fault in LOST_AFTER_IT_WAS_DONE and function != "sending._answer_in":
        function = "attempts.store_answer"

    die_in(function, afterwards=afterwards)
    for _ in range(3):
        run_after_the_wait(seconds=A_LITTLE)

    assert stripe.given_back(INTENT) == 5998
    assert [one["status"] for one in stripe.objects("refund")] == ["succeeded"]
    assert state(due) == ("refunded", "done", "59.98")


@pytest.mark.django_db(transaction=True)
def test_of_workers_that_try_again_at_once_one_looks_up_and_sends(api, stripe, order):
    orders.cancel(order.pk)
    send(api, event("payment_intent.succeeded", intent(order)))
    fail_refunds(stripe, "500")
    tasks.refund_payments()
    let_refund_pass(Refund.objects.get(), seconds=A_LITTLE)

    at_once(*times(4, tasks.refund_payments))

    assert (keys_sent(stripe), looked_up(stripe)) == (keys_of(1, 2), [INTENT])
    assert attempts_made() == [(1, "accepted", 2)]


def taken_over(due, die_in) -> Refund:
    """Return the attempt as a worker knew it that slept from its look-up on, while another sent it under a new key."""
    die_in("attempts.prepare_resend", afterwards=False)
    asleep = Refund.objects.get()
    run_after_the_wait(seconds=A_LITTLE)
    return asleep


def test_a_worker_that_slept_through_its_lease_sends_nothing(stripe, due, die_in):
    fail_refunds(stripe, "500", "409")
    tasks.refund_payments()
    asleep = taken_over(due, die_in)

    may_send = attempts.prepare_resend(due, asleep, [])

    assert (may_send, keys_sent(stripe)) == (False, keys_of(1, 2))
    assert Refund.objects.get().key_number == 2


def test_the_answer_of_a_worker_that_slept_does_not_spend_the_key_of_another(stripe, due, die_in):
    fail_refunds(stripe, "500", "409")
    tasks.refund_payments()
    asleep = taken_over(due, die_in)
    unknown = RefundAnswer(outcome=RefundOutcome.UNKNOWN, key_is_spent=True)
    refused = RefundAnswer(outcome=RefundOutcome.REFUSED)

    for answer in (unknown, refused):
        attempts.store_answer(due, asleep, answer)

    kept = Refund.objects.get()
    assert (kept.status, kept.key_number, kept.key_is_spent) == ("sent", 2, False)


def test_control_without_the_number_of_tries_such_an_answer_spends_a_key_without_an_answer(stripe, due, die_in):
    fail_refunds(stripe, "500", "409")
    tasks.refund_payments()
    asleep = taken_over(due, die_in)
    asleep.tries = Refund.objects.get().tries

    attempts.store_answer(due, asleep, RefundAnswer(outcome=RefundOutcome.UNKNOWN, key_is_spent=True))

    assert (Refund.objects.get().key_number, Refund.objects.get().key_is_spent) == (2, True)


def test_after_a_fault_of_the_server_its_list_gets_time_to_show_what_was_made(stripe, due):
    fail_refunds(stripe, "500")
    before = clock.now()

    tasks.refund_payments()
    waits = Refund.objects.get().next_try_at - before
    let_refund_pass(Refund.objects.get(), seconds=attempts.LISTING_DELAY_SECONDS - 1)
    tasks.refund_payments()

    assert waits >= timedelta(seconds=attempts.LISTING_DELAY_SECONDS)
    assert looked_up(stripe) == []


def test_refunds_and_look_ups_take_their_slots(stripe, due):
    fail_refunds(stripe, "409")
    tasks.refund_payments()
    run_after_the_wait()

    assert len(keys_sent(stripe)) == 2
    assert set(RequestSlot.objects.values_list("name", flat=True)) == {f"stripe {CREATE}", f"stripe {LIST}"}


def test_without_a_slot_in_time_nothing_is_sent(stripe, due, settings, monkeypatch):
    settings.STRIPE_REQUESTS_PER_SECOND = 1
    monkeypatch.setattr(sending, "SLOT_WAIT_SECONDS", 0)
    for _ in range(20):
        with transaction.atomic():
            request_slots.reserve(f"stripe {CREATE}", max_wait=60, is_urgent=True)

    tasks.refund_payments()

    assert keys_sent(stripe) == []
    assert attempts_made() == [(1, "sent", 1)]
    RequestSlot.objects.all().delete()
    run_after_the_wait()
    assert attempts_made() == [(1, "accepted", 2)]

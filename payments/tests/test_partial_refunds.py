"""Parts of a payment given back through the provider: each attempt is for what is due, and counts once."""

from decimal import Decimal

import pytest

from flashsale.local_provider.behaviour.faults import Fault
from payments import payment_records, refunds, tasks
from payments.models import Payment, Refund
from payments.refunds import attempts
from payments.tests.support.provider_refunds import (
    CREATE,
    INSUFFICIENT_FUNDS,
    fail_refunds,
    keys_sent,
    refund_made,
)
from payments.tests.support.refunding import attempts_made, run_after_the_wait, state
from payments.tests.support.stripe_events import INTENT, charge, event, failed_refund, intent, outcome, send

pytestmark = pytest.mark.usefixtures("live")


@pytest.fixture
def paid(api, order) -> Payment:
    """The payment of 59.98 USD that bought an order."""
    assert outcome(send(api, event("payment_intent.succeeded", intent(order)))) == "applied"
    return Payment.objects.get()


@pytest.fixture
def ask(paid, admin_user):
    """Ask for a refund of that payment's order."""
    return lambda amount, **wanted: refunds.request(
        paid.order_id, amount=Decimal(amount), staff=admin_user, note="Ticket 17", **wanted
    )


def amounts_sent(stripe) -> list[str]:
    return [one.params["amount"] for one in stripe.received(CREATE)]


def test_a_part_that_is_due_is_given_back_once(stripe, paid, ask):
    ask("20.00")

    tasks.refund_payments()
    tasks.refund_payments()

    assert amounts_sent(stripe) == ["2000"]
    assert state(paid) == ("applied", "done", "20")
    assert stripe.given_back(INTENT) == 2000


@pytest.mark.parametrize("status", [400, 402, 404])
def test_an_error_of_a_server_in_between_gives_no_part_back_twice(stripe, paid, ask, status):
    fail_refunds(stripe, Fault(status, {}, executes=True, is_between=True))
    ask("20.00")

    for _ in range(3):
        run_after_the_wait()

    assert stripe.given_back(INTENT) == 2000


def test_parts_asked_for_later_are_attempts_of_their_own(stripe, paid, ask):
    ask("20.00")
    tasks.refund_payments()
    ask("10.00")
    ask("29.98")

    tasks.refund_payments()

    assert keys_sent(stripe) == [f"{INTENT}:1", f"{INTENT}:2"]
    assert amounts_sent(stripe) == ["2000", "3998"]
    assert state(paid) == ("refunded", "done", "59.98")


@pytest.mark.parametrize("webhook_first", [True, False])
def test_the_webhook_of_a_part_changes_nothing_more(api, stripe, paid, ask, webhook_first):
    ask("20.00")
    if webhook_first:
        fail_refunds(stripe, "reset")
    tasks.refund_payments()

    told = outcome(send(api, event("charge.refunded", charge(2000))))
    run_after_the_wait()

    assert told == ("applied" if webhook_first else "ignored")
    assert state(paid) == ("applied", "done", "20")
    assert stripe.given_back(INTENT) == 2000


def test_what_is_asked_for_before_the_answer_is_not_counted_with_it(api, stripe, paid, ask):
    ask("20.00")
    fail_refunds(stripe, "reset")
    tasks.refund_payments()
    send(api, event("charge.refunded", charge(2000)))
    ask("20.00")

    run_after_the_wait()
    between = state(paid)
    run_after_the_wait()

    assert between == ("applied", "due", "20")
    assert state(paid) == ("applied", "done", "40")
    assert attempts_made() == [(1, "accepted", 2), (2, "accepted", 1)]
    assert stripe.given_back(INTENT) == 4000


def test_money_given_back_by_other_means_is_no_part_of_the_providers_total(api, stripe, paid, ask):
    ask("10.00", already_done=True)
    ask("20.00")
    tasks.refund_payments()

    told = [outcome(send(api, event("charge.refunded", charge(total)))) for total in (2000, 2500)]

    assert told == ["ignored", "applied"]
    assert state(paid) == ("applied", "done", "35")


def test_an_attempt_for_more_than_is_due_by_now_is_left_to_staff(api, stripe, paid, ask, admin_user):
    ask("20.00")
    fail_refunds(stripe, "409")
    tasks.refund_payments()
    stripe.add_refund(INTENT, 1500)
    send(api, event("charge.refunded", charge(1500)))

    run_after_the_wait()
    run_after_the_wait()

    assert stripe.given_back(INTENT) == 1500
    assert "Less is due" in Refund.objects.get().last_error
    assert state(paid) == ("applied", "due", "15")
    refunds.mark_refunded(paid, staff=admin_user, note="by bank transfer")
    assert state(paid) == ("applied", "done", "20")


def test_a_part_that_fails_later_is_due_again_and_left_to_staff(api, stripe, paid, ask):
    ask("20.00")
    tasks.refund_payments()

    failed = failed_refund(refund_id=refund_made(stripe), amount=2000)
    told = [outcome(send(api, failed | {"id": name})) for name in ("evt_1", "evt_2")]
    run_after_the_wait()

    assert told == ["applied", "ignored"]
    assert state(paid) == ("applied", "due", "0")
    assert (paid.reason, paid.amount_due, len(keys_sent(stripe))) == ("refund_failed", 20, 1)
    assert not refunds.is_automatic(paid)


def test_after_staff_gave_back_what_failed_the_next_part_goes_through_the_provider(api, stripe, paid, ask, admin_user):
    ask("20.00")
    tasks.refund_payments()
    send(api, failed_refund(refund_id=refund_made(stripe), amount=2000))
    stripe.settle(refund_made(stripe), "failed")
    refunds.mark_refunded(paid, staff=admin_user, note="by bank transfer")

    ask("10.00")
    run_after_the_wait()

    assert amounts_sent(stripe) == ["2000", "1000"]
    assert state(paid) == ("applied", "done", "30")


def test_a_part_that_fails_before_its_answer_takes_nothing_from_earlier_ones(api, stripe, paid, ask):
    ask("20.00")
    tasks.refund_payments()
    ask("20.00")
    fail_refunds(stripe, "reset")
    tasks.refund_payments()

    told = outcome(send(api, failed_refund(refund_id=refund_made(stripe, 2), amount=2000)))

    assert told == "applied"
    assert state(paid) == ("applied", "due", "20")
    assert paid.amount_due == 20


def test_an_earlier_part_that_fails_while_another_is_sent_leaves_the_sum_right(api, stripe, paid, ask):
    ask("20.00")
    tasks.refund_payments()
    ask("15.00")
    fail_refunds(stripe, "409")
    tasks.refund_payments()
    send(api, failed_refund(refund_id=refund_made(stripe), amount=2000))
    second = Refund.objects.get(attempt=2)
    answer = attempts.RefundAnswer(outcome=attempts.RefundOutcome.ACCEPTED, refund_id="re_2")

    attempts.store_answer(paid, second, answer)

    assert state(paid) == ("applied", "due", "15")
    assert paid.amount_due == 20


def test_a_part_given_back_in_the_dashboard_that_fails_is_for_staff_to_judge(api, stripe, paid, ask):
    ask("20.00")
    tasks.refund_payments()
    send(api, event("charge.refunded", charge(3000)))

    told = outcome(send(api, failed_refund(refund_id="re_9", amount=1000)))

    assert told == "needs_review"
    assert state(paid) == ("applied", "done", "30")


def test_refusals_in_a_row_are_counted_from_the_last_accepted_attempt(stripe, paid, ask):
    for _ in range(attempts.MAX_ATTEMPTS):
        ask("2.00")
        run_after_the_wait()
    ask("2.00")
    fail_refunds(stripe, INSUFFICIENT_FUNDS)
    run_after_the_wait()

    run_after_the_wait()

    assert state(paid) == ("applied", "done", "12")
    assert attempts_made()[-2:] == [(6, "refused", 1), (7, "accepted", 1)]


def test_refused_too_often_a_part_stays_with_staff(stripe, paid, ask):
    ask("2.00")
    run_after_the_wait()
    ask("2.00")
    fail_refunds(stripe, *[INSUFFICIENT_FUNDS] * 20)

    for _ in range(attempts.MAX_ATTEMPTS + 3):
        run_after_the_wait()

    assert len(keys_sent(stripe)) == 1 + attempts.MAX_ATTEMPTS
    assert state(paid) == ("applied", "due", "2")


def test_an_attempt_that_the_previous_version_began_counts_once(stripe, due):
    """It has no record of what was given back before: it is for all that was not."""
    locked = payment_records.lock(due)
    payment_records.record_refund(locked, amount=Decimal(10))
    stripe.add_refund(INTENT, 1000)
    fail_refunds(stripe, "409")
    tasks.refund_payments()
    Refund.objects.update(refunded_before=None)

    run_after_the_wait()

    assert state(due) == ("refunded", "done", "59.98")
    assert stripe.given_back(INTENT) == 5998


@pytest.mark.parametrize(("enabled", "automatic"), [(True, True), (False, False)])
def test_it_is_known_beforehand_whether_the_provider_will_be_asked(settings, paid, enabled, automatic):
    settings.STRIPE_AUTO_REFUND = enabled

    assert refunds.is_automatic(paid) is automatic

"""Refunds that fail after the provider took them, and those that staff give by other means."""

import pytest

from payments import refunds, tasks
from payments.models import Payment
from payments.providers.stripe import refunds as stripe_refunds
from payments.tests.support.provider_refunds import fail_refunds, keys_sent, refund_made
from payments.tests.support.refunding import attempts_made, run_after_the_wait, state
from payments.tests.support.stripe_events import charge, event, failed_refund, intent, outcome, send

pytestmark = pytest.mark.usefixtures("live")


@pytest.mark.parametrize("kind", ["refund.failed", "refund.updated", "charge.refund.updated"])
def test_a_refund_that_fails_later_is_due_again_and_left_to_staff(api, stripe, due, kind):
    tasks.refund_payments()

    failed = [failed_refund(one, refund_id=refund_made(stripe)) for one in (kind, "refund.failed")]
    told = [outcome(send(api, one)) for one in failed]
    run_after_the_wait()

    assert told == ["applied", "ignored"]
    assert state(due) == ("refund_due", "due", "0")
    assert (due.reason, attempts_made()) == ("refund_failed", [(1, "failed", 1)])
    assert len(keys_sent(stripe)) == 1


def test_a_failure_that_comes_before_the_answer_is_not_overwritten_by_it(api, stripe, due):
    fail_refunds(stripe, "reset")
    tasks.refund_payments()

    told = outcome(send(api, failed_refund(refund_id=refund_made(stripe))))
    run_after_the_wait()

    assert told == "applied"
    assert state(due) == ("refund_due", "due", "0")
    assert attempts_made() == [(1, "failed", 1)]


@pytest.mark.parametrize("status", ["pending", "succeeded", "requires_action"])
def test_a_refund_that_goes_on_well_is_stored_and_ignored(api, stripe, due, status):
    tasks.refund_payments()

    assert (
        outcome(send(api, failed_refund("refund.updated", refund_id=refund_made(stripe), status=status))) == "ignored"
    )
    assert state(due) == ("refunded", "done", "59.98")


def test_a_refund_begun_elsewhere_that_fails_is_due_again(api, stripe, due):
    send(api, event("charge.refunded", charge(5998)))

    told = outcome(send(api, failed_refund(refund_id="re_elsewhere")))

    assert told == "applied"
    assert state(due) == ("refund_due", "due", "0")
    assert attempts_made() == [(None, "failed", 0)]


def test_a_running_total_that_arrives_after_the_failure_is_ignored(api, stripe, due):
    send(api, event("charge.refunded", charge(5998)))
    send(api, failed_refund(refund_id="re_elsewhere"))

    late = outcome(send(api, event("charge.refunded", charge(5998))))

    assert late == "needs_review"
    assert state(due) == ("refund_due", "due", "0")


def test_part_of_a_good_orders_price_that_does_not_arrive_is_for_staff_to_judge(api, stripe, order):
    send(api, event("payment_intent.succeeded", intent(order)))
    send(api, event("charge.refunded", charge(1000)))

    told = outcome(send(api, failed_refund(amount=1000)))
    tasks.refund_payments()

    assert told == "needs_review"
    assert (Payment.objects.get().status, Payment.objects.get().refunded_amount) == ("applied", 10)
    assert keys_sent(stripe) == []


def test_a_failed_refund_of_an_unknown_payment_waits_for_it(api, stripe, order):
    response = send(api, failed_refund())

    assert (response.status_code, response.json()["outcome"]) == (202, "parked")


def test_a_payment_marked_by_staff_says_who_and_how(due, admin_user):
    refunds.mark_refunded(due, staff=admin_user, note="by bank transfer")

    assert state(due) == ("refunded", "done", "59.98")
    assert (due.refunded_by, due.refunded_note) == (admin_user, "by bank transfer")


def test_of_two_members_of_staff_one_is_told_that_it_was_done(due, admin_user):
    refunds.mark_refunded(due, staff=admin_user, note="by bank transfer")

    with pytest.raises(refunds.AlreadyRefunded):
        refunds.mark_refunded(due, staff=None, note="in cash")

    due.refresh_from_db()
    assert due.refunded_note == "by bank transfer"


def test_while_the_provider_has_not_answered_nothing_is_marked_by_hand(stripe, due, admin_user, monkeypatch):
    fail_refunds(stripe, "hang")
    monkeypatch.setattr(stripe_refunds, "REQUEST_SECONDS", 0.3)
    tasks.refund_payments()

    with pytest.raises(refunds.RefundUnderWay):
        refunds.mark_refunded(due, staff=admin_user, note="by bank transfer")

    assert state(due) == ("refund_due", "due", "0")

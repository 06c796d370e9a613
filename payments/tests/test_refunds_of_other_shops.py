"""Refunds carry the shop's name, and a restored copy of the database gives nothing back that the real shop took."""

from datetime import timedelta

import pytest

from flashsale.core import clock
from flashsale.local_provider.behaviour.faults import Fault
from payments import refunds, tasks
from payments.models import Payment, PaymentAttempt, Refund
from payments.tests.support.provider_refunds import fail_refunds, keys_sent, looked_up, refund_made
from payments.tests.support.refunding import attempts_made, run_after_the_wait, state
from payments.tests.support.stripe_events import INTENT

pytestmark = pytest.mark.usefixtures("live")

SHOP, COPY = "lamps.example", "copy.example"
A_LITTLE = 600


@pytest.fixture(autouse=True)
def _named(settings):
    settings.SHOP_ID = SHOP


@pytest.fixture
def made_here(due) -> Payment:
    """Money that is due, of a payment that this shop made itself."""
    now = clock.now()
    PaymentAttempt.objects.create(
        order=due.order, number=1, provider="stripe", shop_id=SHOP, kind="payment_intent", status="succeeded",
        amount=due.amount, currency=due.currency, object_id=INTENT, payment_id=INTENT, pay_until=now, created_at=now,
        key_used_at=now, ended_at=now,
    )  # fmt: skip
    return due


def test_a_refund_carries_its_attempt_and_the_shops_name(stripe, made_here):
    tasks.refund_payments()

    assert stripe.objects("refund")[0]["metadata"] == {"refund_attempt": f"{INTENT}:1", "shop_id": SHOP}
    assert state(made_here) == ("refunded", "done", "59.98")


def test_a_copy_of_the_shop_gives_nothing_back_by_itself(stripe, made_here, settings):
    settings.SHOP_ID = COPY

    for _ in range(2):
        run_after_the_wait()
    in_the_copy = (keys_sent(stripe), attempts_made(), refunds.is_automatic(made_here), state(made_here))
    settings.SHOP_ID = SHOP
    tasks.refund_payments()

    assert in_the_copy == ([], [], False, ("refund_due", "due", "0"))
    assert state(made_here) == ("refunded", "done", "59.98")


def test_a_copy_goes_on_with_no_refund_that_was_under_way(stripe, made_here, settings):
    fail_refunds(stripe, "500")
    tasks.refund_payments()
    settings.SHOP_ID = COPY

    for _ in range(2):
        run_after_the_wait()

    assert (keys_sent(stripe), looked_up(stripe), attempts_made()) == ([f"{INTENT}:1"], [], [(1, "sent", 1)])


def test_a_listed_refund_with_our_attempt_that_another_shop_sent_goes_to_staff(stripe, due):
    fail_refunds(stripe, "500")
    tasks.refund_payments()
    stripe.add_refund(INTENT, 5998, metadata={"refund_attempt": f"{INTENT}:1", "shop_id": COPY})

    for _ in range(3):
        run_after_the_wait()

    left = Refund.objects.get()
    assert keys_sent(stripe) == [f"{INTENT}:1"]
    assert (left.status, left.next_try_at, refund_made(stripe) in left.last_error) == ("sent", None, True)
    assert state(due) == ("refund_due", "due", "0")


@pytest.mark.parametrize(
    "answer",
    [
        Fault(200, {"object": "refund"}),
        Fault(200, {"id": 5, "object": "refund", "status": ["succeeded"]}),
        Fault(200, {"object": ["refund"]}),
        Fault(307, {}),
        Fault(500, {"error": "of another kind"}),
        Fault(400, {"error": ["of another kind"]}),
        Fault(400, {"error": {"type": "invalid_request_error", "code": "rate_limit"}}),
    ],
)
def test_an_answer_that_cannot_be_read_is_none_and_the_refund_is_looked_up(stripe, due, answer):
    fail_refunds(stripe, answer)

    tasks.refund_payments()
    before = state(due)
    waits = Refund.objects.get().next_try_at - clock.now()
    run_after_the_wait(seconds=A_LITTLE)

    assert (before, waits < timedelta(hours=1)) == (("refund_due", "due", "0"), True)
    assert (looked_up(stripe), state(due)) == ([INTENT], ("refunded", "done", "59.98"))

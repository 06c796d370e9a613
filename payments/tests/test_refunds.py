"""Money on its way back, against a local server that speaks Stripe's refund endpoint with all its faults."""

import pytest

from catalog.tests.factories import ProductFactory
from checkout import audit, orders
from checkout.models import Order
from checkout.tests.factories import OrderFactory
from flashsale.tests.racing import at_once, times
from payments import ledger, refunds, tasks
from payments.models import Payment, Refund, WebhookEvent
from payments.providers import stripe_refunds
from payments.tests.factories import let_refund_pass
from payments.tests.stripe_server import API_KEY, stripe_server
from payments.tests.test_stripe import INTENT, charge, event, intent, outcome, send

UNKNOWN = ["hang", "reset", "conflict", "rate limit", "lock timeout", "forbidden", "bad gateway", "server error"]
REFUSED = ["insufficient funds", "refund failed"]


@pytest.fixture(autouse=True)
def live(settings, monkeypatch, db):
    """Live mode with automatic refunds, a provider that does not let one wait long, and right books afterwards."""
    settings.LOCAL_MODE = False
    settings.SECURE_SSL_REDIRECT = False
    settings.STRIPE_WEBHOOK_SECRETS = ["whsec_new0000000000000000000000000000"]
    settings.STRIPE_LIVEMODE = settings.STRIPE_AUTO_REFUND = True
    settings.STRIPE_API_KEY = API_KEY
    monkeypatch.setattr(stripe_refunds, "READ_TIMEOUT_SECONDS", 0.3)
    yield
    assert audit.find_drift() == []


@pytest.fixture
def stripe(settings):
    """Stripe, which took 59.98 by `INTENT`."""
    with stripe_server() as server:
        settings.STRIPE_API_BASE = server.url
        server.charges[INTENT] = [5998, 0]
        yield server


@pytest.fixture
def due(api, order) -> Payment:
    """Money for an order that was cancelled before it came."""
    orders.cancel(order.pk)
    assert outcome(send(api, event("payment_intent.succeeded", intent(order)))) == "applied"
    return Payment.objects.get()


def run_after_the_wait() -> None:
    for refund in Refund.objects.all():
        let_refund_pass(refund)
    tasks.refund_payments()


def state(payment: Payment) -> tuple[str, str, str]:
    payment.refresh_from_db()
    order = Order.objects.get(pk=payment.order_id)
    return payment.status, order.refund, str(order.refunded_amount.normalize())


def attempts() -> list[tuple]:
    return list(Refund.objects.order_by("pk").values_list("attempt", "status", "tries"))


def test_money_that_is_due_is_given_back_once(stripe, due):
    tasks.refund_payments()
    tasks.refund_payments()

    assert state(due) == ("refunded", "done", "59.98")
    assert attempts() == [(1, "accepted", 1)]
    assert stripe.requests == [(f"{INTENT}:1", {"payment_intent": INTENT, "amount": "5998"})]


@pytest.mark.parametrize("status", ["pending", "requires_action"])
def test_a_refund_under_way_at_the_bank_counts_as_given_back(stripe, due, status):
    stripe.faults = [status]

    tasks.refund_payments()

    assert state(due) == ("refunded", "done", "59.98")


@pytest.mark.parametrize("fault", UNKNOWN)
def test_without_a_definite_answer_the_same_attempt_is_sent_again(stripe, due, fault):
    stripe.faults = [fault]

    tasks.refund_payments()
    before = state(due)
    tasks.refund_payments()
    asked_at_once = len(stripe.requests)
    run_after_the_wait()

    assert before == ("refund_due", "due", "0")
    assert asked_at_once == 1
    assert stripe.keys() == [f"{INTENT}:1", f"{INTENT}:1"]
    if fault == "server error":
        # Stripe keeps this answer for the key: staff see what is open.
        assert attempts() == [(1, "sent", 2)]
    else:
        assert (state(due), attempts()) == (("refunded", "done", "59.98"), [(1, "accepted", 2)])
        assert stripe.given_back(INTENT) == 5998


@pytest.mark.parametrize("fault", REFUSED)
def test_after_a_definite_refusal_another_attempt_begins(stripe, due, fault):
    stripe.faults = [fault]

    tasks.refund_payments()
    tasks.refund_payments()
    asked_at_once = len(stripe.requests)
    run_after_the_wait()

    assert asked_at_once == 1
    assert stripe.keys() == [f"{INTENT}:1", f"{INTENT}:2"]
    assert attempts() == [(1, "refused", 1), (2, "accepted", 1)]
    assert state(due) == ("refunded", "done", "59.98")


def test_refused_too_often_it_stays_with_staff(stripe, due):
    stripe.faults = ["insufficient funds"] * 20

    for _ in range(refunds.MAX_ATTEMPTS + 3):
        run_after_the_wait()

    assert stripe.keys() == [f"{INTENT}:{n}" for n in range(1, refunds.MAX_ATTEMPTS + 1)]
    assert state(due) == ("refund_due", "due", "0")


def test_unanswered_too_often_it_stays_with_staff(stripe, due, admin_user):
    stripe.faults = ["conflict"] * 50

    for _ in range(refunds.MAX_TRIES + 3):
        run_after_the_wait()
    asked = len(stripe.requests)
    refunds.mark_refunded(due, staff=admin_user, note="by bank transfer")

    assert (asked, attempts()) == (refunds.MAX_TRIES, [(1, "sent", refunds.MAX_TRIES)])
    assert state(due) == ("refunded", "done", "59.98")


def test_money_that_was_given_back_already_counts_as_given_back(stripe, due):
    stripe.charges[INTENT] = [5998, 5998]

    tasks.refund_payments()

    assert state(due) == ("refunded", "done", "59.98")
    assert "Already refunded." in Refund.objects.get().last_error


def test_only_what_is_left_is_given_back(api, stripe, due):
    stripe.charges[INTENT][1] = 1000
    send(api, event("charge.refunded", charge(1000)))

    tasks.refund_payments()

    assert stripe.requests[0][1]["amount"] == "4998"
    assert state(due) == ("refunded", "done", "59.98")


@pytest.mark.parametrize("webhook_first", [True, False])
def test_the_webhook_of_an_own_refund_changes_nothing_more(api, stripe, due, webhook_first):
    if webhook_first:
        stripe.faults = ["reset"]
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
        patch.setattr(refunds, "_finish", die)
        with pytest.raises(Killed):
            tasks.refund_payments()
    between = (state(due), attempts())
    run_after_the_wait()

    assert between == (("refund_due", "due", "0"), [(1, "sent", 1)])
    assert stripe.keys() == [f"{INTENT}:1"] * 2
    assert stripe.given_back(INTENT) == 5998
    assert state(due) == ("refunded", "done", "59.98")


def test_no_more_are_begun_in_an_hour_than_allowed(api, stripe, settings, product):
    settings.STRIPE_REFUNDS_PER_HOUR = 2
    for number in range(4):
        order = OrderFactory(product=product, quantity=2)
        orders.cancel(order.pk)
        stripe.charges[f"pi_{number}"] = [5998, 0]
        send(api, event("payment_intent.succeeded", intent(order, id=f"pi_{number}")))

    tasks.refund_payments()
    tasks.refund_payments()
    in_the_first_hour = stripe.keys()
    for refund in Refund.objects.all():
        let_refund_pass(refund, seconds=3_700)
    tasks.refund_payments()

    assert in_the_first_hour == ["pi_0:1", "pi_1:1"]
    assert stripe.keys() == ["pi_0:1", "pi_1:1", "pi_2:1", "pi_3:1"]


def test_switched_off_nothing_is_asked(stripe, settings, due):
    settings.STRIPE_AUTO_REFUND = False

    tasks.refund_payments()

    assert (stripe.requests, attempts()) == ([], [])


@pytest.mark.parametrize(("currency", "price", "minor"), [("JPY", "500", 1000), ("KWD", "1.250", 2500)])
def test_a_refund_is_asked_for_in_minor_units(api, stripe, currency, price, minor):
    order = OrderFactory(product=ProductFactory(price=price, currency=currency), quantity=2)
    orders.cancel(order.pk)
    stripe.charges[INTENT] = [minor, 0]
    send(api, event("payment_intent.succeeded", intent(order, amount_received=minor, currency=currency.lower())))

    tasks.refund_payments()

    assert stripe.given_back(INTENT) == minor
    assert Payment.objects.get().status == "refunded"


def failed(kind: str = "refund.failed", *, refund_id: str = "re_1", amount: int = 5998, status: str = "failed") -> dict:
    thing = {
        "id": refund_id,
        "object": "refund",
        "amount": amount,
        "charge": "ch_1",
        "currency": "usd",
        "failure_reason": "expired_or_canceled_card",
        "metadata": {},
        "payment_intent": INTENT,
        "status": status,
    }
    return event(kind, thing)


@pytest.mark.parametrize("kind", ["refund.failed", "refund.updated", "charge.refund.updated"])
def test_a_refund_that_fails_later_is_due_again_and_left_to_staff(api, stripe, due, kind):
    tasks.refund_payments()

    told = [outcome(send(api, failed(kind))), outcome(send(api, failed("refund.failed")))]
    run_after_the_wait()

    assert told == ["applied", "ignored"]
    assert state(due) == ("refund_due", "due", "0")
    assert (due.reason, attempts()) == ("refund_failed", [(1, "failed", 1)])
    assert len(stripe.requests) == 1


def test_a_failure_that_comes_before_the_answer_is_not_overwritten_by_it(api, stripe, due):
    stripe.faults = ["reset"]
    tasks.refund_payments()

    told = outcome(send(api, failed()))
    run_after_the_wait()

    assert told == "applied"
    assert state(due) == ("refund_due", "due", "0")
    assert attempts() == [(1, "failed", 1)]


@pytest.mark.parametrize("status", ["pending", "succeeded", "requires_action"])
def test_a_refund_that_goes_on_well_is_stored_and_ignored(api, stripe, due, status):
    tasks.refund_payments()

    assert outcome(send(api, failed("refund.updated", status=status))) == "ignored"
    assert state(due) == ("refunded", "done", "59.98")


def test_a_refund_begun_elsewhere_that_fails_is_due_again(api, stripe, due):
    send(api, event("charge.refunded", charge(5998)))

    told = outcome(send(api, failed(refund_id="re_elsewhere")))

    assert told == "applied"
    assert state(due) == ("refund_due", "due", "0")
    assert attempts() == [(None, "failed", 0)]


def test_a_running_total_that_comes_after_the_failure_is_not_believed(api, stripe, due):
    send(api, event("charge.refunded", charge(5998)))
    send(api, failed(refund_id="re_elsewhere"))

    late = outcome(send(api, event("charge.refunded", charge(5998))))

    assert late == "needs_review"
    assert state(due) == ("refund_due", "due", "0")


def test_part_of_a_good_orders_price_that_does_not_arrive_is_for_staff_to_judge(api, stripe, order):
    send(api, event("payment_intent.succeeded", intent(order)))
    send(api, event("charge.refunded", charge(1000)))

    told = outcome(send(api, failed(amount=1000)))
    tasks.refund_payments()

    assert told == "needs_review"
    assert (Payment.objects.get().status, Payment.objects.get().refunded_amount) == ("applied", 10)
    assert stripe.requests == []


def test_a_failed_refund_of_an_unknown_payment_waits_for_it(api, stripe, order):
    response = send(api, failed())

    assert (response.status_code, response.json()["outcome"]) == (202, "parked")


def test_money_known_by_an_events_id_only_is_left_to_staff(api, stripe, order):
    orders.cancel(order.pk)
    body = event("checkout.session.completed", {
        "id": "cs_1", "object": "checkout.session", "amount_total": 5998, "currency": "usd",
        "metadata": {"order_id": str(order.pk)}, "payment_intent": None, "payment_status": "paid",
    })  # fmt: skip
    assert outcome(send(api, body)) == "applied"

    tasks.refund_payments()

    assert stripe.requests == []
    assert Payment.objects.get().status == "refund_due"


@pytest.mark.django_db(transaction=True)
def test_two_workers_ask_once(stripe, api, order):
    orders.cancel(order.pk)
    send(api, event("payment_intent.succeeded", intent(order)))

    at_once(*times(4, tasks.refund_payments))

    assert stripe.keys() == [f"{INTENT}:1"]
    assert attempts() == [(1, "accepted", 1)]


@pytest.mark.django_db(transaction=True)
def test_control_without_the_look_under_the_lock_two_workers_ask_twice(stripe, api, order, monkeypatch):
    orders.cancel(order.pk)
    send(api, event("payment_intent.succeeded", intent(order)))
    due = list(refunds._automatic(refunds.clock.now()))
    monkeypatch.setattr(refunds, "_automatic", lambda now: Payment.objects.filter(pk=due[0].pk))

    at_once(*times(2, tasks.refund_payments))

    assert len(stripe.keys()) > 1


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


def test_while_the_provider_has_not_answered_nothing_is_marked_by_hand(stripe, due, admin_user):
    stripe.faults = ["hang"]
    tasks.refund_payments()

    with pytest.raises(refunds.RefundUnderWay):
        refunds.mark_refunded(due, staff=admin_user, note="by bank transfer")

    assert state(due) == ("refund_due", "due", "0")


def test_more_than_was_paid_is_never_given_back(due):
    locked = ledger.lock(due)

    with pytest.raises(ledger.RefundTooLarge):
        ledger.give_back(locked, amount=locked.amount + 1)

    assert WebhookEvent.objects.count() == 1

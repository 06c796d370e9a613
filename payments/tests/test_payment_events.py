"""Every change of what has to be given back, or was, leaves an event, and so does what is left to staff to decide."""

import json
from decimal import Decimal

import pytest
from django.db import transaction

from checkout import orders
from checkout.models import Order
from checkout.tests.factories import HoldFactory, let_order_pass
from flashsale.core.transactions import retrying_transaction
from flashsale.outbox.models import RecordedEvent
from flashsale.tests.support import outbox
from flashsale.tests.support.outbox import types_of
from payments import inbox, payment_records, refunds, tasks
from payments.event_data import PaymentInEvent
from payments.inbox import processing
from payments.models import Payment, WebhookEvent
from payments.refunds import attempts
from payments.tests.factories import let_event_pass, receive
from payments.tests.support.provider_refunds import INSUFFICIENT_FUNDS, fail_refunds, refund_made
from payments.tests.support.refunding import run_after_the_wait
from payments.tests.support.stripe_events import INTENT, event, failed_refund, intent, send

pytestmark = pytest.mark.django_db(transaction=True)

MONEY = ("refund.due", "refund.done", "refund.failed", "payment.disputed", "payment.needs_review")
LARGEST_EVENT_BYTES = 20_000


@pytest.fixture
def paid(order) -> Payment:
    """A payment of 59.98 that bought an order of 2 units."""
    receive(order_id=order.pk, payment_id="pay_1")
    return Payment.objects.get()


@pytest.fixture
def staff(admin_user) -> dict:
    return {"staff": admin_user, "note": "Ticket 17 of a buyer"}


def told(envelopes):
    """Return of each event its type, the status before and after, and what it says of the refund."""
    return [
        (envelope["type"], data["previous_status"], data["status"], data["refund"])
        for envelope in envelopes
        for data in [envelope["data"]]
    ]


def as_answered(payment: Payment) -> dict:
    payment.refresh_from_db()
    return json.loads(json.dumps(PaymentInEvent.data_of(payment), default=str))


def test_a_payment_that_cannot_pay_its_order_is_due_for_refund_and_given_back(order, new_events, staff):
    orders.cancel(order.pk)
    receive(order_id=order.pk, payment_id="pay_1")
    [due] = new_events(*MONEY)
    refunds.mark_refunded(Payment.objects.get(), **staff)
    [done] = new_events(*MONEY)

    assert told([due]) == [("refund.due", None, "refund_due", {"amount": "59.98"})]
    assert (due["data"]["order_id"], due["data"]["reason"]) == (str(order.pk), "order_cancelled")
    given_back = {"amount": "59.98", "by_other_means": True}
    assert told([done]) == [("refund.done", "refund_due", "refunded", given_back)]
    assert as_answered(Payment.objects.get()).items() <= done["data"].items()
    assert "Ticket" not in "".join(outbox.bodies())


@pytest.mark.parametrize("reason", ["second", "late", "staff"])
def test_each_way_to_make_money_due_is_an_event(order, new_events, settings, staff, reason):
    if reason == "second":
        receive(order_id=order.pk, payment_id="pay_1")
    elif reason == "late":
        let_order_pass(order, seconds=(settings.LATE_PAYMENT_HOURS + 2) * 3600)
    amount = "1.00" if reason == "staff" else "59.98"
    receive(order_id=order.pk, payment_id="pay_2", amount=amount, currency="USD")
    if reason == "staff":
        inbox.refund(WebhookEvent.objects.get().pk, **staff)

    assert told(new_events("refund.due")) == [("refund.due", None, "refund_due", {"amount": amount})]


def test_parts_that_are_asked_for_and_reported_by_the_provider(paid, new_events, staff):
    refunds.request(paid.order_id, amount=Decimal(10), **staff)
    receive(status="refunded", order_id=paid.order_id, payment_id="pay_1", amount="10.00", currency="USD")
    refunds.request(paid.order_id, amount=Decimal(5), already_done=True, restock_units=1, **staff)
    receive(status="refunded", order_id=paid.order_id, payment_id="pay_1")
    receive(status="refunded", order_id=paid.order_id, payment_id="pay_1")

    made = new_events(*MONEY)
    assert told(made) == [
        ("refund.due", "applied", "applied", {"amount": "10.00"}),
        ("refund.done", "applied", "applied", {"amount": "10.00", "by_other_means": False}),
        ("refund.due", "applied", "applied", {"amount": "5.00"}),
        ("refund.done", "applied", "applied", {"amount": "5.00", "by_other_means": True}),
        ("refund.done", "applied", "refunded", {"amount": "44.98", "by_other_means": False}),
    ]
    dues = [(envelope["data"]["due_amount"], envelope["data"]["refunded_amount"]) for envelope in made]
    assert dues == [("10.00", "0.00"), ("0.00", "10.00"), ("5.00", "10.00"), ("0.00", "15.00"), ("0.00", "59.98")]


def test_early_events_are_told_in_their_order(hold, new_events):
    for status in ("failure", "success", "refunded"):
        receive(status=status, hold_id=hold.pk, payment_id="pay_1")
    orders.place(hold_id=hold.pk)

    made = new_events()

    assert types_of(made) == ["order.placed", "order.cancelled", "refund.due", "refund.done"]
    assert [one[1:3] for one in told(made[2:])] == [(None, "refund_due"), ("refund_due", "refunded")]


@pytest.mark.usefixtures("live")
def test_refunds_that_the_provider_refuses_accepts_and_fails_to_deliver(api, stripe, due, new_events, monkeypatch):
    fail_refunds(stripe, INSUFFICIENT_FUNDS, INSUFFICIENT_FUNDS)
    tasks.refund_payments()
    with monkeypatch.context() as last:
        last.setattr(attempts, "MAX_ATTEMPTS", 2)
        run_after_the_wait()
    refused = new_events(*MONEY)
    run_after_the_wait()
    accepted = new_events(*MONEY)
    refund_id = refund_made(stripe)
    for _ in range(2):
        send(api, failed_refund(refund_id=refund_id))
    failed = new_events(*MONEY)

    refusal = {"amount": "59.98", "refund_id": None, "status": "refused"}
    assert told(refused) == [("refund.failed", "refund_due", "refund_due", refusal)] * 2
    assert [one["data"]["is_retried"] for one in refused] == [True, False]
    assert told(accepted) == [
        ("refund.done", "refund_due", "refunded", {"amount": "59.98", "by_other_means": False})
    ]  # fmt: skip
    failure = {"amount": "59.98", "refund_id": refund_id, "status": "failed"}
    assert told(failed) == [
        ("refund.failed", "refunded", "refund_due", failure),
        ("refund.due", "refunded", "refund_due", {"amount": "59.98"}),
    ]
    assert failed[0]["data"]["is_retried"] is False


@pytest.mark.usefixtures("live")
def test_a_dispute_and_its_end(api, order, new_events):
    send(api, event("payment_intent.succeeded", intent(order)))
    about = {"id": "du_1", "object": "dispute", "amount": 5998, "currency": "usd", "charge": "ch_1"}
    about |= {"payment_intent": INTENT, "reason": "fraudulent", "metadata": {}}
    # The last one tells of the time before the end.
    for at, kind, status in [
        (0, "created", "needs_response"), (1, "updated", "needs_response"), (3, "closed", "lost"),
        (2, "updated", "needs_response"),
    ]:  # fmt: skip
        told_at = {"created": 1_790_000_000 + at}
        send(api, event(f"charge.dispute.{kind}", about | {"status": status}) | told_at)

    made = new_events(*MONEY)

    assert [(one["type"], one["data"]["status"], one["data"]["payment_id"]) for one in made] == [
        ("payment.disputed", "applied", INTENT)
    ] * 2
    members = {"dispute_id": "du_1", "amount": "59.98", "currency": "USD", "reason": "fraudulent"}
    assert [one["data"]["dispute"] for one in made] == [
        members | {"status": "open", "previous_status": None},
        members | {"status": "lost", "previous_status": "open"},
    ]


def test_money_that_staff_have_to_decide_about(order, new_events, monkeypatch, staff):
    secret = "pi_1_secret_of_the_buyer"
    receive(order_id=order.pk, payment_id="pay_1", amount="50.00", currency="EUR", client_secret=secret)
    [differs] = new_events(*MONEY)
    receive(payment_id=None, note=secret)
    [nameless] = new_events(*MONEY)

    assert differs["type"] == nameless["type"] == "payment.needs_review"
    data = differs["data"]
    assert (data["order_id"], data["payment_id"], data["amount"]) == (str(order.pk), "pay_1", "50.00")
    assert (data["previous_status"], data["status"], data["reason"]) == ("received", "needs_review", "currency_differs")
    assert data["explanation"] == "paid 50.00 EUR, expected 59.98 USD"
    assert (nameless["data"]["previous_status"], nameless["data"]["reason"]) == (None, "no_reference")
    inbox.dismiss(WebhookEvent.objects.first().pk, **staff)
    assert new_events(*MONEY) == []
    assert secret not in "".join(outbox.bodies())


def test_no_event_has_more_of_a_providers_event_than_it_shows(order):
    receive(order_id=order.pk, payment_id="pay_1", amount="50.00", client_secret="pi_1_secret_of_the_buyer")

    snapshot = RecordedEvent.objects.get(type="payment.needs_review").snapshot
    assert not snapshot.keys() & {"body", "headers", "last_error", "settled_note"}


@pytest.mark.parametrize("is_killed", [False, True])
def test_an_event_that_cannot_be_processed_is_left_to_staff_once(order, new_events, monkeypatch, is_killed):
    def fail(*_, **__):
        raise RuntimeError("secret of the error")

    with monkeypatch.context() as broken:
        broken.setattr(processing, "process_locked", fail)
        broken.setattr(processing.rules, "pay_plain", lambda *_: [])
        receive(order_id=order.pk, payment_id="pay_1")
        attempts = processing.MAX_ATTEMPTS if is_killed else processing.MAX_ATTEMPTS - 1
        WebhookEvent.objects.update(attempts=attempts)
        let_event_pass(WebhookEvent.objects.get(), seconds=10_000)
        inbox.process_due()
        inbox.process_due()

    [dead] = new_events(*MONEY)
    assert (dead["data"]["status"], dead["data"]["previous_status"]) == ("dead", "failed")
    assert dead["data"]["explanation"] == "it could not be processed: gave up after 12 attempts"


def test_money_whose_order_never_came_is_left_to_staff(hold, new_events):
    stored = receive(hold_id=hold.pk, payment_id="pay_1").event
    let_event_pass(stored, seconds=25 * 3600)
    inbox.process_due()

    [review] = new_events(*MONEY)
    assert (review["data"]["previous_status"], review["data"]["reason"]) == ("parked", "order_never_came")


class Ended(BaseException):
    """The transaction's verb, or the whole process, ends here."""


def end(*_):
    raise Ended


@pytest.mark.parametrize("is_committed", [False, True])
def test_a_process_that_dies_leaves_the_events_of_what_it_committed(paid, new_events, is_committed):
    @retrying_transaction
    def give_back():
        payment_records.record_refund(payment_records.lock(paid), amount=paid.amount)
        if not is_committed:
            end()
        transaction.on_commit(end)

    with pytest.raises(Ended):
        give_back()

    assert types_of(new_events()) == (["refund.done"] if is_committed else [])


def test_the_largest_event_is_small(new_events, product):
    order = orders.place(hold_id=HoldFactory(product=product).pk)
    longest = "\N{GRINNING FACE}"
    receive(order_id=order.pk, payment_id=longest * 255, key=longest * 255, amount="9" * 20, currency="USD")

    assert types_of(new_events(*MONEY)) == ["payment.needs_review"]
    assert max(len(body.encode()) for body in outbox.bodies()) < LARGEST_EVENT_BYTES
    assert Order.objects.get().status == "pending_payment"

"""Payments that the shop makes, asked for, ended and told of at the same moment, over real connections."""

import threading
from collections import Counter

import pytest

from catalog.tests.factories import ProductFactory
from checkout import audit, orders
from checkout.models import Order
from checkout.tests.factories import OrderFactory, let_order_pass
from flashsale.tests.support.processes import WAIT_SECONDS, wait_until
from flashsale.tests.support.racing import (
    Meeting,
    at_once,
    blocked,
    counts,
    replace,
    times,
    without_advisory_locks,
    without_row_locks,
)
from payments import attempt_records, attempts, inbox
from payments.attempt_records import answers, leases
from payments.models import Payment, PaymentAttempt, WebhookEvent
from payments.providers import PROVIDERS
from payments.tests.support.attempts import add_unasked, let_attempt_pass
from payments.tests.support.inbox import separate_processes

pytestmark = pytest.mark.django_db(transaction=True)

CREATE = "POST /v1/payment_intents"
CANCEL = "POST /v1/payment_intents/{id}/cancel"
CHECKED, TILL = attempts.CHECK_SECONDS, 900


@pytest.fixture(autouse=True)
def processes(monkeypatch):
    """Each thread stands for a process of its own."""
    separate_processes(monkeypatch)


@pytest.fixture
def order(db):
    return OrderFactory(quantity=2, product__price="29.99", product__currency="USD")


@pytest.fixture
def opened(provider, order) -> PaymentAttempt:
    """The open attempt of an order."""
    return attempts.request(order.pk).attempt


def settle(provider) -> None:
    """Let the tasks and the provider's webhooks run until nothing is left; the promises are kept then."""
    for attempt in PaymentAttempt.objects.all():
        let_attempt_pass(attempt, seconds=TILL)
    while attempts.run_due():
        for attempt in PaymentAttempt.objects.filter(status__in=PaymentAttempt.UNENDED):
            let_attempt_pass(attempt, seconds=60)
    for body, headers in provider.take_webhooks():
        inbox.receive(PROVIDERS["stripe"], body=body, headers=headers)
    intents = provider.objects("payment_intent")
    uncanceled = Counter(one["metadata"]["order_id"] for one in intents if one["status"] != "canceled")
    assert set(uncanceled.values()) <= {1}
    assert {one["status"] for one in intents} <= {"canceled", "succeeded"}
    assert not PaymentAttempt.objects.filter(status__in=PaymentAttempt.UNENDED).exists()
    assert Order.objects.filter(status="paid").count() == Payment.objects.filter(status="applied").count()
    assert audit.find_drift() == []


def _two_tabs_at_once(order, monkeypatch) -> list:
    # Both have seen that the order has no attempt before either stores one.
    monkeypatch.setattr(attempt_records, "add", Meeting(2).before(attempt_records.add))
    return at_once(*times(2, lambda: attempts.request(order.pk)))


def test_two_tabs_at_once_get_one_payment(provider, order, monkeypatch):
    results = _two_tabs_at_once(order, monkeypatch)

    assert counts(results) == {"AttemptView": 2}
    again = attempts.request(order.pk)
    assert {view.attempt.pk for view in results} == {again.attempt.pk}
    assert len(provider.received(CREATE)) == len(provider.objects("payment_intent")) == 1
    assert [view.is_new for view in [*results, again]].count(True) == 1
    settle(provider)


def test_control_without_the_lock_on_the_order_the_second_tab_hits_the_unique_key(provider, order, monkeypatch):
    without_row_locks(monkeypatch, Order)

    assert counts(_two_tabs_at_once(order, monkeypatch)) == {"AttemptView": 1, "IntegrityError": 1}


def _asked_at_once(monkeypatch, *calls) -> None:
    # Both have seen that the attempt is due before either leases it.
    monkeypatch.setattr(leases, "_may_ask", Meeting(2).after(leases._may_ask))
    results = at_once(*calls)
    assert not [result for result in results if isinstance(result, Exception)]


def _two_tasks_at_once(order, monkeypatch) -> None:
    add_unasked(order)
    _asked_at_once(monkeypatch, *times(2, attempts.run_due))


def test_two_tasks_at_once_ask_once(provider, order, monkeypatch):
    _two_tasks_at_once(order, monkeypatch)

    assert len(provider.received(CREATE)) == 1
    assert PaymentAttempt.objects.get().status == "open"
    settle(provider)


def test_control_without_the_lock_on_the_attempt_both_ask(provider, order, monkeypatch):
    without_row_locks(monkeypatch, PaymentAttempt)

    _two_tasks_at_once(order, monkeypatch)

    assert len(provider.received(CREATE)) == 2
    assert len(provider.objects("payment_intent")) == 1


def test_the_closing_task_and_a_check_at_once_ask_once(provider, order, opened, monkeypatch):
    """The lock on the attempt has its control above."""
    orders.cancel(order.pk)
    let_attempt_pass(opened, seconds=CHECKED)

    _asked_at_once(monkeypatch, attempts.run_due, lambda: attempts.check(order.pk))

    assert len(provider.received(CANCEL)) == 1
    settle(provider)


def _cancel(order) -> None:
    orders.cancel(order.pk)


def _expire(order) -> None:
    let_order_pass(order)
    orders.expire_due()


def _leave_while_the_answer_is_stored(leave, order, monkeypatch, *, is_held_back=blocked) -> None:
    is_answered, has_left, take_note = threading.Event(), threading.Event(), answers._take_note

    def wait_and_take_note(*args):
        is_answered.set()
        # Until the order has left, or the change of its attempt waits for this row.
        wait_until(lambda: has_left.is_set() or is_held_back(), what="the order leaves")
        take_note(*args)

    def leave_then():
        is_answered.wait(WAIT_SECONDS)
        leave(order)
        has_left.set()

    monkeypatch.setattr(answers, "_take_note", wait_and_take_note)
    requested, left = at_once(lambda: attempts.request(order.pk), leave_then)
    assert (type(requested).__name__, left) in [("AttemptView", None), ("PaymentClosed", None)]
    monkeypatch.setattr(answers, "_take_note", take_note)


@pytest.mark.parametrize("leave", [_cancel, _expire])
def test_an_order_that_ends_while_the_provider_answers_has_no_open_payment(provider, order, monkeypatch, leave):
    _leave_while_the_answer_is_stored(leave, order, monkeypatch)

    attempt = PaymentAttempt.objects.get()
    assert (attempt.status, attempt.client_secret) == ("closing", "")
    assert len(provider.objects("payment_intent")) == 1
    settle(provider)
    assert Payment.objects.count() == 0


def test_control_without_locks_a_cancelled_order_can_be_paid(provider, order, monkeypatch):
    without_row_locks(monkeypatch, PaymentAttempt, Order)

    _leave_while_the_answer_is_stored(_cancel, order, monkeypatch, is_held_back=lambda: False)

    assert PaymentAttempt.objects.get().status == "open"
    assert Order.objects.get().status == "cancelled"


def _webhook_and_answer_at_once(provider, opened, monkeypatch, *, ask) -> list:
    """Let the provider's event and its answer about one payment be judged at the same moment."""
    provider.pay(opened.object_id)
    deliveries = provider.take_webhooks()
    let_attempt_pass(opened, seconds=TILL)
    # Both have read the order before either pays it.
    replace(monkeypatch, orders.locking_query, Meeting(2).after_query(orders.locking_query))
    return at_once(
        lambda: [inbox.receive(PROVIDERS["stripe"], body=body, headers=headers) for body, headers in deliveries], ask
    )


@pytest.mark.parametrize("asks", ["close", "check"])
def test_a_webhook_and_an_answer_about_one_payment_pay_its_order_once(provider, order, opened, monkeypatch, asks):
    ask = attempts.run_due if asks == "close" else lambda: attempts.check(order.pk)

    results = _webhook_and_answer_at_once(provider, opened, monkeypatch, ask=ask)

    assert not [result for result in results if isinstance(result, Exception)]
    assert Order.objects.get().status == "paid"
    assert list(Payment.objects.values_list("status", flat=True)) == ["applied"]
    successes = WebhookEvent.objects.filter(kind="success").values_list("status", flat=True)
    assert sorted(successes) == ["applied", "ignored"]
    settle(provider)
    assert PaymentAttempt.objects.get().status == "succeeded"


def test_control_without_locks_one_of_the_two_hits_the_unique_key(provider, order, opened, monkeypatch):
    without_advisory_locks(monkeypatch)
    without_row_locks(monkeypatch, Order)

    _webhook_and_answer_at_once(provider, opened, monkeypatch, ask=attempts.run_due)

    successes = WebhookEvent.objects.filter(kind="success").values_list("status", flat=True)
    assert sorted(successes) == ["applied", "failed"]


def test_everything_at_once_leaves_one_payment_of_each_order(provider):
    """Stress without a control of its own: each lock has one above."""
    product = ProductFactory(stock=30, price="29.99", currency="USD")
    made = [OrderFactory(product=product) for _ in range(6)]
    for order in made[:3]:
        provider.pay(attempts.request(order.pk).attempt.object_id)
    deliveries = provider.take_webhooks()

    at_once(
        *(lambda order=order: attempts.request(order.pk) for order in made),
        *(lambda order=order: orders.cancel(order.pk) for order in made[::2]),
        *(lambda order=order: _expire(order) for order in made[1::3]),
        *(
            lambda body=body, headers=headers: inbox.receive(PROVIDERS["stripe"], body=body, headers=headers)
            for body, headers in deliveries
        ),
        *times(2, attempts.run_due),
    )

    assert not PaymentAttempt.objects.filter(status="open").exclude(order__status="pending_payment").exists()
    settle(provider)
    assert Payment.objects.count() == 3

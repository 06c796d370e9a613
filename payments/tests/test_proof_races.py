"""Events and orders that name one payment id at the same moment: one order is paid, and the id is proved for it."""

import itertools
import random

import pytest
from django.contrib.auth import get_user_model

from catalog.tests.factories import ProductFactory
from checkout import audit, orders
from checkout.models import Order, ProvedPaymentId
from checkout.tests.factories import HoldFactory, OrderFactory
from flashsale.tests.support.racing import Meeting, at_once, counts, without_advisory_locks
from payments import inbox, payment_records
from payments.models import Payment
from payments.tests.factories import receive
from payments.tests.support.inbox import separate_processes

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def processes(monkeypatch):
    """Each thread stands for a process of its own."""
    separate_processes(monkeypatch)


ROUNDS = 6


def test_money_a_tokens_order_and_another_order_that_an_event_names_end_as_one_payment():
    """Stress without a control, because it chooses no moment; the locks on references have theirs below."""
    product = ProductFactory(stock=100)
    for number in range(ROUNDS):
        payment_id = f"pay_{number}"
        rightful, first, second = (
            OrderFactory(product=product),
            HoldFactory(product=product),
            HoldFactory(product=product),
        )
        calls = [
            lambda p=payment_id: receive(payment_id=p),
            lambda p=payment_id, o=rightful: receive(order_id=o.pk, payment_id=p),
            lambda p=payment_id, h=first: orders.place(hold_id=h.pk, payment_id=p, is_payment_id_proved=True),
            lambda p=payment_id, h=second: orders.place(hold_id=h.pk, payment_id=p),
        ]

        at_once(*random.Random(number).sample(calls, len(calls)))
        inbox.process_due()

        paid = Order.objects.get(status="paid", payment_id=payment_id)
        assert Payment.objects.get(payment_id=payment_id).order_id == paid.pk
        assert ProvedPaymentId.objects.get(payment_id=payment_id).order_id == paid.pk
        assert paid.pk == rightful.pk or paid.hold_id == first.pk
    assert Payment.objects.count() == ROUNDS
    assert audit.find_drift() == []


def _two_events_of_one_payment_accepted_at_once(monkeypatch) -> list:
    """Staff accept an event with a doubtful amount for the order that it names, and another one for another order."""
    product = ProductFactory()
    named = [OrderFactory(product=product) for _ in range(2)]
    doubtful = [receive(order_id=order.pk, payment_id="pay_1", amount="7.00").event for order in named]
    assert {event.status for event in doubtful} == {"needs_review"}
    staff = get_user_model().objects.create(username="staff")
    monkeypatch.setattr(payment_records, "find", Meeting(2).after(payment_records.find))

    def accept(event, order):
        return inbox.accept(event.pk, staff=staff, note="Seen", order_id=order.pk)

    pairs = zip(doubtful, named, strict=True)
    return at_once(*itertools.starmap(lambda event, order: lambda: accept(event, order), pairs))


def test_of_two_events_of_one_payment_that_staff_accept_at_once_one_is_refused(monkeypatch):
    results = _two_events_of_one_payment_accepted_at_once(monkeypatch)

    assert counts(results) == {"WebhookEvent": 1, "CannotAccept": 1}
    payment = Payment.objects.get()
    assert ProvedPaymentId.objects.get().order_id == payment.order_id
    assert [order.pk for order in Order.objects.filter(status="paid")] == [payment.order_id]
    assert audit.find_drift() == []


def test_control_without_the_lock_on_the_payment_id_the_second_hits_the_unique_key(monkeypatch):
    without_advisory_locks(monkeypatch)

    assert counts(_two_events_of_one_payment_accepted_at_once(monkeypatch)) == {"WebhookEvent": 1, "IntegrityError": 1}

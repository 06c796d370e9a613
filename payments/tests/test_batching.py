"""Webhooks that are stored and decided together get what each would get alone."""

from types import SimpleNamespace
from uuid import uuid4

import pytest
from django.db import OperationalError
from psycopg.errors import LockNotAvailable

from catalog.models import Stock
from catalog.tests.factories import ProductFactory
from checkout import audit, orders
from checkout.models import Order, ProvedPaymentId
from checkout.orders.requests import OrderRequest
from checkout.tests.factories import HoldFactory, OrderFactory, let_order_pass
from flashsale.core.batching import is_fault_or_lock_timeout, process_or_isolate
from flashsale.tests.support.racing import at_once
from payments import payment_records
from payments.inbox import batching, processing
from payments.models import Payment, WebhookEvent
from payments.tests.factories import receive
from payments.tests.support.inbox import stored

pytestmark = pytest.mark.django_db(transaction=True)


def mixed_events(product) -> dict[str, WebhookEvent]:
    """Successes of every kind that may come together, by what is special about them."""

    def order(**given) -> Order:
        return OrderFactory(product=product, quantity=1, **given)

    def event(of: Order, **members) -> WebhookEvent:
        members = {"payment_id": f"pay_{uuid4().hex}"} | members
        return stored(order_id=of.pk, **members)

    cancelled, late, paid, theirs, twice = order(), order(), order(), order(payment_id=f"pi_{uuid4().hex}"), order()
    orders.cancel(cancelled.pk)
    let_order_pass(late)
    known = f"pay_{uuid4().hex}"
    receive(order_id=paid.pk, payment_id=known)
    shared = f"pay_{uuid4().hex}"
    named = order(payment_id=f"pi_{uuid4().hex}")
    return {
        "plain": event(order(), amount="29.99", currency="USD"),
        "without amount": event(order()),
        "without payment id": event(order(), payment_id=None),
        "the order's own payment id": event(named, payment_id=named.payment_id),
        "with its hold": event((held := order()), hold_id=held.hold_id),
        "with another hold": event(order(), hold_id=HoldFactory(product=product).pk),
        "wrong amount": event(order(), amount="1.00"),
        "wrong currency": event(order(), currency="EUR"),
        "another order's payment id": event(order(), payment_id=theirs.payment_id),
        "a payment that is known": event(order(), payment_id=known),
        "cancelled": event(cancelled),
        "late": event(late),
        "paid": event(paid),
        "paid, and no payment named": event(paid, payment_id=None),
        "first of two for one order": event(twice),
        "second of two for one order": event(twice),
        "first of one payment for two orders": event(order(), payment_id=shared),
        "second of one payment for two orders": event(order(), payment_id=shared),
        "no such order": stored(order_id=uuid4(), payment_id="pay_nobody"),
    }


def outcome(event: WebhookEvent) -> tuple:
    """What became of an event, its order and its money."""
    event.refresh_from_db()
    order = event.order
    money = Payment.objects.filter(event=event).values_list("status", "reason", "amount", "currency", "refunded_amount")
    proofs = list(order.proved_payment_ids.values_list("proved_by", flat=True)) if order else []
    told = (order.status, order.refund, order.paid_at is not None, bool(order.payment_id), proofs) if order else None
    return event.status, event.reason, event.processed_at is not None, event.next_attempt_at, told, list(money)


def test_each_of_a_batch_gets_what_it_would_get_alone(monkeypatch):
    product = ProductFactory(stock=200)
    alone, together = mixed_events(product), mixed_events(product)

    for event in alone.values():
        processing.process([event])
    answered = processing.process(list(together.values()))

    expected = {name: outcome(event) for name, event in alone.items()}
    assert {name: outcome(event) for name, event in together.items()} == expected
    assert [event.pk for event in answered] == [event.pk for event in together.values()]
    assert {event.status for event in answered} == {"applied", "ignored", "needs_review", "parked"}
    assert audit.find_drift() == []


def of_two_providers(product) -> list[WebhookEvent]:
    """Two successes for two orders with one payment id, which two providers gave."""
    shared = f"pay_{uuid4().hex}"
    events = [stored(order_id=OrderFactory(product=product).pk, payment_id=shared) for _ in range(2)]
    WebhookEvent.objects.filter(pk=events[1].pk).update(provider="stripe")
    return events


def test_one_payment_id_of_two_providers_is_proved_once_alone_and_in_a_batch(monkeypatch):
    product = ProductFactory()
    alone, together = of_two_providers(product), of_two_providers(product)

    for event in alone:
        processing.process([event])
    processing.process(together)

    assert [outcome(event) for event in together] == [outcome(event) for event in alone]
    assert [event.status for event in together] == ["applied", "needs_review"]


def test_a_batch_proves_a_tokens_payment_id_as_one_event_does(monkeypatch):
    product = ProductFactory()
    ids = [f"pay_{uuid4().hex}" for _ in range(2)]
    alone, together = (
        stored(order_id=OrderFactory(product=product, payment_id=each).pk, payment_id=each) for each in ids
    )

    processing.process([alone])
    processing.process([together])

    assert list(ProvedPaymentId.objects.values_list("proved_by", flat=True)) == ["event", "event"]


def test_a_batch_sells_all_its_units_by_one_statement_for_each_table(monkeypatch, django_assert_max_num_queries):
    product = ProductFactory(stock=50)
    batch = [stored(order_id=OrderFactory(product=product).pk, payment_id=f"pay_{n}") for n in range(20)]

    with django_assert_max_num_queries(13):
        processing.process(batch)

    assert Stock.objects.get().sold == 20
    assert set(WebhookEvent.objects.values_list("status", "reason")) == {("applied", "order_paid")}
    assert audit.find_drift() == []


@pytest.fixture
def batch_sizes(monkeypatch) -> list[int]:
    """The sizes of all batches. Requests that come while one batch is processed form the next one."""
    sizes: list[int] = []

    def watched(process):
        def process_and_count(key, requests, admit):
            sizes.append(len(requests))
            return process(key, requests, admit)

        return process_and_count

    for name in ("delivery_batcher", "payment_batcher"):
        batcher = getattr(batching, name)
        monkeypatch.setattr(batcher, "_process", watched(batcher._process))
    return sizes


def test_a_crowd_of_providers_pays_each_order_once(batch_sizes):
    product = ProductFactory(stock=50)
    made = [OrderFactory(product=product) for _ in range(12)]

    receipts = at_once(
        *(lambda n=n, order=order: receive(key=f"evt_{n}", order_id=order.pk, payment_id=f"pay_{n}")
          for n, order in enumerate(made) for _ in range(3))
    )  # fmt: skip

    assert {receipt.event.status for receipt in receipts} == {"applied"}
    assert sum(not receipt.is_replay for receipt in receipts) == len(made)
    assert Payment.objects.count() == Order.objects.filter(status="paid").count() == len(made)
    assert max(batch_sizes) > 1, "they were never together"
    assert audit.find_drift() == []


def test_an_event_that_fails_does_not_affect_the_others(monkeypatch):
    product = ProductFactory(stock=50)
    batch = [stored(order_id=OrderFactory(product=product).pk, payment_id=f"pay_{n}") for n in range(3)]
    record, record_all = payment_records.record, payment_records.record_all

    def poisoned(event) -> None:
        if event.payment_ref == "pay_1":
            raise ZeroDivisionError("poison")

    monkeypatch.setattr(
        payment_records, "record", lambda event, *args, **more: (poisoned(event), record(event, *args, **more))
    )
    monkeypatch.setattr(
        payment_records,
        "record_all",
        lambda paid, **more: ([poisoned(event) for event, _ in paid], record_all(paid, **more)),
    )

    results = process_or_isolate(
        batching._process_batch, None, SimpleNamespace(requests=batch, admit=list), isolates=is_fault_or_lock_timeout
    )

    assert [type(result).__name__ for result in results] == ["WebhookEvent", "ZeroDivisionError", "WebhookEvent"]
    assert [outcome(event)[0] for event in batch] == ["applied", "received", "applied"]
    assert audit.find_drift() == []


def test_a_lock_that_comes_too_late_is_everybodys_and_each_event_is_tried_again(monkeypatch):
    order = OrderFactory()

    def too_late(*args, **more):
        raise OperationalError from LockNotAvailable("lock timeout")

    monkeypatch.setattr(processing, "process", too_late)

    receipt = receive(order_id=order.pk, payment_id="pay_1")

    assert (receipt.event.status, receipt.event.reason) == ("failed", "error")
    assert WebhookEvent.objects.get().next_attempt_at is not None


def test_events_that_wait_for_orders_of_one_batch_are_applied_each_to_its_own():
    product = ProductFactory(stock=100)
    made = [HoldFactory(product=product) for _ in range(4)]
    for hold in made[:2]:
        receive(hold_id=hold.pk, payment_id=f"pay_{hold.pk}")

    results = orders.place_batch([OrderRequest(hold_id=hold.pk) for hold in made])

    assert [order.status for order in results] == ["paid", "paid", "pending_payment", "pending_payment"]
    assert audit.find_drift() == []

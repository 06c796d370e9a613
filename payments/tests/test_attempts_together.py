"""Payments that are asked for at the same moment get what each would get alone."""

from uuid import uuid4

import pytest
from django.db import IntegrityError

from catalog.models import Product
from catalog.tests.factories import ProductFactory
from checkout import orders
from checkout.models import Order, ProvedPaymentId
from checkout.tests.factories import OrderFactory, let_order_pass
from flashsale.core.capacity.bulkheads import Bulkhead
from flashsale.core.refusals import NotFound, Refusal
from flashsale.tests.support.racing import at_once, counts
from payments import attempt_records, attempts
from payments.attempt_records import Answered
from payments.attempts import PaymentClosed, PaymentNotPossible, asking, batching, finding, time_limits
from payments.attempts.deciding import PaymentRequest
from payments.models import PaymentAttempt
from payments.tests.support.attempts import close_all, let_attempt_pass

pytestmark = pytest.mark.django_db(transaction=True)

CREATE = "POST /v1/payment_intents"


@pytest.fixture
def product(db) -> Product:
    return ProductFactory(stock=100)


@pytest.fixture
def ordered(product) -> list[Order]:
    return [OrderFactory(product=product) for _ in range(4)]


def mixed_orders(product) -> dict[str, PaymentRequest]:
    """Requests of every kind, by what is special about their orders."""
    new, cancelled, overdue, running, closing, paid, refused = (OrderFactory(product=product) for _ in range(7))
    orders.cancel(cancelled.pk)
    let_order_pass(overdue)
    for order in (running, closing):
        attempts.request(order.pk)
    let_attempt_pass(PaymentAttempt.objects.get(order=closing), seconds=900)
    attempt_records.close_overdue()
    Order.objects.filter(pk=paid.pk).update(status="paid", paid_at=paid.created_at)
    ProvedPaymentId.objects.create(
        order=refused, payment_id=f"pi_{uuid4().hex}", proved_by="event", proved_at=refused.created_at
    )
    known = {
        "new": new, "cancelled": cancelled, "overdue": overdue, "running": running, "closing": closing, "paid": paid,
        "paid by its storefront": refused, "another new one": OrderFactory(product=product),
    }  # fmt: skip
    return {name: PaymentRequest(order.pk) for name, order in known.items()} | {"unknown": PaymentRequest(uuid4())}


def told(result: finding.Found | Refusal) -> tuple:
    if isinstance(result, Refusal):
        return type(result), str(result)
    return result.attempt.status, result.question is not None, result.attempt.number


def test_each_of_a_batch_gets_what_it_would_get_alone(provider, product):
    alone, together = mixed_orders(product), mixed_orders(product)

    each = {name: told(finding.find_or_add([request])[0]) for name, request in alone.items()}
    results = finding.find_or_add(list(together.values()))

    assert dict(zip(together, map(told, results), strict=True)) == each
    assert each["new"] == each["another new one"] == ("creating", True, 1)
    assert each["running"] == ("open", False, 1)
    assert (each["unknown"][0], each["closing"][0]) == (NotFound, PaymentClosed)
    assert each["paid by its storefront"][0] == PaymentNotPossible


def test_new_payments_share_a_line_and_those_without_a_place_are_due_at_once(provider, ordered, settings):
    settings.STRIPE_REQUESTS_PER_SECOND = 1

    found = finding.find_or_add([PaymentRequest(order.pk) for order in ordered])

    waits = [one.question and one.question.wait for one in found]
    assert waits == [0, 1, None, None]
    leases = [one.attempt.next_ask_at > one.read_at for one in found]
    assert leases == [True, True, False, False]
    assert time_limits.SLOT_SECONDS < 2


def test_places_are_taken_for_new_payments_only_and_left_at_the_end(provider, ordered):
    attempts.request(ordered[0].pk)
    bulkhead = Bulkhead(lambda: 2)
    places = [bulkhead.place() for _ in ordered]

    found = finding.find_or_add(
        [PaymentRequest(order.pk, "", place.take) for order, place in zip(ordered, places, strict=True)]
    )

    assert [one.question is not None for one in found] == [False, True, True, False]
    assert not bulkhead.try_enter()
    for place in places:
        place.leave()
        place.leave()
        assert not place.take()
    assert [bulkhead.try_enter() for _ in range(3)] == [True, True, False]


def test_buyers_at_once_each_get_their_payment(provider, ordered):
    results = at_once(*(lambda order=order: attempts.request(order.pk) for order in ordered * 2))

    assert counts(results) == {"AttemptView": 8}
    assert len(provider.received(CREATE)) == len(provider.objects("payment_intent")) == len(ordered)
    again = [attempts.request(order.pk) for order in ordered]
    assert {view.attempt.status for view in again} == {"open"}
    assert [view.is_new for view in [*results, *again]].count(True) == len(ordered)


def answers_of(ordered) -> list[Answered]:
    """Return the provider's answers about new payments of orders, which are not stored yet."""
    found = finding.find_or_add([PaymentRequest(order.pk) for order in ordered])
    return [Answered(one.question, asking.ask(one.question, timeout=5), is_shown=True) for one in found]


def test_answers_are_stored_together_and_count_as_each_would_alone(provider, ordered):
    answered = answers_of(ordered)
    orders.cancel(ordered[1].pk)
    provider.pay(answered[2].answer.payment.object_id)

    stored = attempt_records.store(answered)

    assert [one.attempt.status for one in stored] == ["open", "closing", "open", "open"]
    assert [one.is_first_shown for one in stored] == [True, False, True, True]
    assert PaymentAttempt.objects.get(order=ordered[1]).client_secret == ""
    for order, one in zip(ordered, stored, strict=True):
        order.refresh_from_db()
        assert order.payment_id == one.attempt.payment_id
    assert set(ProvedPaymentId.objects.values_list("order_id", "proved_by")) == {
        (order.pk, "attempt") for order in ordered
    }
    close_all()
    assert PaymentAttempt.objects.get(order=ordered[1]).status == "closed"


def test_an_answer_that_cannot_be_stored_leaves_the_others(provider, ordered):
    answered = answers_of(ordered)
    # Two attempts cannot have one object of the provider.
    taken = answered[0].answer.payment.object_id
    PaymentAttempt.objects.filter(pk=answered[3].attempt.pk).update(object_id=taken)

    results = at_once(*(lambda one=one: batching.store(one) for one in answered))

    assert counts(results[:1]) == {"IntegrityError": 1}
    assert isinstance(results[0], IntegrityError)
    assert counts(results[1:]) == {"Stored": 3}

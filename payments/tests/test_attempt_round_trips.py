"""How many messages and statements payments that the shop makes send to PostgreSQL, beside those of their orders.

The tables are like those of `flashsale.tests.test_round_trips`.
"""

import pytest

from catalog.tests.factories import ProductFactory
from checkout.tests.factories import OrderFactory
from flashsale.tests.support.wire import traffic
from payments import attempt_records
from payments.attempt_records import Answered
from payments.attempts import asking, finding
from payments.attempts.deciding import PaymentRequest
from payments.models import PaymentAttempt
from payments.tests.support.attempts import let_attempt_pass, only_attempt, start

pytestmark = pytest.mark.django_db(transaction=True)

# Round trips and statements, BEGIN and COMMIT among them.
# Two transactions, before and after the provider is asked: locks and reads, the slot, writes with COMMIT.
FOUND, STORED = (3, 13), (2, 9)
MADE = (5, 22)
SHOWN_AGAIN = (2, 8)
LOOKED_UP = (6, 18)
BATCH = 16


@pytest.fixture
def order(db, monkeypatch):
    # The traffic of one connection is counted.
    monkeypatch.setattr(asking, "_without_connection", lambda ask: ask())
    return OrderFactory()


def test_a_payment_is_made_and_shown_again(provider, api, order):
    with traffic() as made:
        assert start(api, order).status_code == 201
    with traffic() as again:
        assert start(api, order).status_code == 200

    assert (made.round_trips, made.statements) == MADE
    assert (again.round_trips, again.statements) == SHOWN_AGAIN
    assert PaymentAttempt.objects.get().shown_at is not None


def test_the_task_asks_about_a_payment(provider, api, order):
    start(api, order)
    let_attempt_pass(only_attempt(), seconds=400)

    with traffic() as looked_up:
        assert asking.ask_in_task(only_attempt().pk, is_urgent=False)

    assert (looked_up.round_trips, looked_up.statements) == LOOKED_UP


def test_a_batch_sends_what_one_payment_sends(provider, order):
    product = ProductFactory(stock=BATCH)
    ordered = [OrderFactory(product=product) for _ in range(BATCH)]

    with traffic() as of_finding:
        found = finding.find_or_add([PaymentRequest(one.pk) for one in ordered])
    answered = [Answered(one.question, asking.ask(one.question, timeout=5), is_shown=True) for one in found]
    with traffic() as of_storing:
        stored = attempt_records.store(answered)

    assert {one.attempt.status for one in stored} == {"open"}
    assert (of_finding.round_trips, of_finding.statements) == FOUND
    assert (of_storing.round_trips, of_storing.statements) == STORED

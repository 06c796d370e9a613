"""How many messages and statements a payment that the shop makes sends to PostgreSQL, beside those of its order.

The tables are like those of `flashsale.tests.test_round_trips`.
"""

import pytest

from checkout.tests.factories import OrderFactory
from flashsale.tests.support.wire import traffic
from payments.attempts import asking
from payments.models import PaymentAttempt
from payments.tests.support.attempts import let_attempt_pass, only_attempt, start

pytestmark = pytest.mark.django_db(transaction=True)

# Round trips and statements, BEGIN and COMMIT among them.
# Two transactions, before and after the provider is asked: locks and reads, the slot, writes with COMMIT.
MADE = (5, 19)
SHOWN_AGAIN = (2, 8)
LOOKED_UP = (6, 15)


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

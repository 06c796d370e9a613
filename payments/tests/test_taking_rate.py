"""How many buyers a second the payments take, and the pace of a queue that follows it."""

import pytest
from django.db import connection

from checkout.tests.factories import OrderFactory
from checkout.tests.support.queues import let_queue_pass, queued_product, start_sale
from checkout.waiting_room.models import Queue
from checkout.waiting_room.rate import TRICKLE
from payments import taking_rate
from payments.models import PaymentAttempt
from payments.tests.support.attempts import add_unasked, let_attempt_pass, start

pytestmark = pytest.mark.django_db

RATE = 25


@pytest.fixture
def payments(provider, settings):
    """Payments of the shop's own, and the provider that takes them."""
    settings.STRIPE_REQUESTS_PER_SECOND = RATE
    return provider


def begin(api, *, seconds_ago: float) -> None:
    """Let a buyer ask for a payment, some time ago."""
    order = OrderFactory()
    start(api, order)
    let_attempt_pass(PaymentAttempt.objects.get(order=order), seconds=seconds_ago)


def fail(payments, *, times: int) -> None:
    payments.fail_next(*["502"] * times)


def test_a_shop_without_payments_of_its_own_sets_no_limit(db):
    assert taking_rate.buyers_per_second() is None


def test_the_rate_is_the_providers_until_it_answers_none_and_again_when_it_answers(api, payments):
    product = queued_product(stock=1_000)
    start_sale(product)

    def pace() -> tuple[float, str]:
        """The buyers a second that the queue admits, and what limits them, after some seconds."""
        for _ in range(8):
            let_queue_pass(product, seconds=1)
        controller = Queue.objects.get().controller
        return controller["buyers_per_second"], controller["limited_by"]

    begin(api, seconds_ago=60)
    assert pace() == (RATE, "payments")
    fail(payments, times=2)
    begin(api, seconds_ago=30)
    begin(api, seconds_ago=20)
    assert taking_rate.buyers_per_second() == 0
    assert pace() == (TRICKLE, "payments")
    begin(api, seconds_ago=0)
    assert taking_rate.buyers_per_second() == RATE
    assert pace() == (RATE, "payments")


def test_one_payment_without_an_answer_is_no_outage(api, payments):
    fail(payments, times=1)
    begin(api, seconds_ago=60)
    begin(api, seconds_ago=50)
    fail(payments, times=1)
    begin(api, seconds_ago=1)

    assert taking_rate.buyers_per_second() == RATE


def test_payments_that_wait_for_their_turn_are_no_outage(payments):
    order = OrderFactory()
    add_unasked(order)
    let_attempt_pass(PaymentAttempt.objects.get(), seconds=60)

    assert taking_rate.buyers_per_second() == RATE


def test_an_outage_is_judged_by_two_indexes(payments):
    [statement] = taking_rate._outage_query().statements
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {statement.sql}", statement.params)
        plan = "\n".join(line for (line,) in cursor.fetchall())

    assert "payment_attempt_waiting" in plan
    assert "payment_attempt_by_creation" in plan
    assert "Seq Scan" not in plan

"""Requests of one process that share a transaction: each has an answer of its own, in order, whatever happens."""

import threading

import pytest
from django.db import connection, transaction

from catalog.models import Stock
from catalog.tests.factories import ProductFactory
from checkout import audit, batching, holds, idempotency
from checkout.holds import requests
from checkout.idempotency import IdempotencyKey
from checkout.models import Hold
from flashsale.core import batching as group_commit
from flashsale.core.transactions import Busy, OutcomeUnknown
from flashsale.tests.support.processes import WAIT_SECONDS, wait_until
from flashsale.tests.support.racing import counts, patient

pytestmark = pytest.mark.django_db(transaction=True)


class Queue:
    """Buyers who come one after the other while the test keeps the product's stock locked."""

    def __init__(self, product) -> None:
        self.product = product
        self.results: list = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> "Queue":
        self._patience = patient()
        self._patience.__enter__()
        self._lock = transaction.atomic()
        self._lock.__enter__()
        Stock.objects.select_for_update().get(pk=self.product.pk)
        return self

    def comes(self, **wanted) -> None:
        """Let one more buyer come, and wait until they are in line or have their answer."""
        number = len(self.results)
        self.results.append(None)
        inside = batching.hold_batcher._in_flight

        def buy() -> None:
            try:
                self.results[number] = batching.place(product_id=self.product.pk, **wanted)
            except Exception as error:
                self.results[number] = error
            finally:
                connection.close()

        self._threads.append(threading.Thread(target=buy, daemon=True))
        self._threads[-1].start()
        wait_until(lambda: batching.hold_batcher._in_flight > inside or self.results[number] is not None)

    def __exit__(self, *_) -> None:
        self._lock.__exit__(None, None, None)
        for thread in self._threads:
            thread.join(WAIT_SECONDS)
        self._patience.__exit__(None, None, None)
        assert not any(thread.is_alive() for thread in self._threads)


def transactions(product) -> int:
    """Return in how many transactions units of the product were granted."""
    return Stock.objects.get(pk=product.pk).version


def key(name: str, body_hash: str = "same") -> IdempotencyKey:
    return IdempotencyKey(client="", key=f"key-of-at-least-16-{name}", body_hash=body_hash)


@pytest.fixture(autouse=True)
def nothing_is_left():
    """Whatever happens, nobody is left in a line, and the books are right."""
    yield
    assert (batching.hold_batcher._in_flight, batching.hold_batcher._queues) == (0, {})
    assert audit.find_drift() == []


def test_those_who_wait_share_one_transaction_and_each_has_a_hold():
    with Queue(ProductFactory(stock=100)) as queue:
        for quantity in range(1, 11):
            queue.comes(quantity=quantity)

    assert [hold.quantity for hold in queue.results] == list(range(1, 11))
    assert Hold.objects.count() == 10
    assert transactions(queue.product) == 1


def test_first_come_first_served():
    with Queue(ProductFactory(stock=5)) as queue:
        for _ in range(10):
            queue.comes(quantity=1)

    assert [type(result).__name__ for result in queue.results] == ["Hold"] * 5 + ["InsufficientStock"] * 5


def test_a_transaction_grants_a_bounded_number(monkeypatch):
    monkeypatch.setattr(group_commit, "MAX_BATCH", 4)

    with Queue(ProductFactory(stock=100)) as queue:
        for _ in range(10):
            queue.comes(quantity=1)

    assert counts(queue.results) == {"Hold": 10}
    assert transactions(queue.product) == 3


def test_the_customers_limit_holds_within_a_transaction():
    with Queue(ProductFactory(stock=100, max_per_customer=2)) as queue:
        for _ in range(5):
            queue.comes(quantity=1, customer_id="ann")

    assert counts(queue.results) == {"Hold": 2, "LimitExceeded": 3}


def test_who_has_a_key_is_not_overtaken_and_the_key_counts_once():
    with Queue(ProductFactory(stock=2)) as queue:
        queue.comes(quantity=1)
        queue.comes(quantity=1, once=key("a"))
        queue.comes(quantity=1)
        queue.comes(quantity=1, once=key("a"))
        queue.comes(quantity=1, once=key("a", "another body"))

    first, keyed, late, again, reused = queue.results
    assert isinstance(first, Hold)
    assert isinstance(keyed, Hold)
    assert late.code == "insufficient_stock"
    assert (again.pk, again.is_replayed) == (keyed.pk, True)
    assert isinstance(reused, idempotency.IdempotencyKeyReused)


def test_a_refused_request_leaves_its_key_to_the_next():
    with Queue(ProductFactory(stock=5)) as queue:
        queue.comes(quantity=1)
        queue.comes(quantity=11, once=key("a", "too many"))
        queue.comes(quantity=2, once=key("a"))

    assert [type(result).__name__ for result in queue.results] == ["Hold", "LimitExceeded", "Hold"]


def test_overdue_units_are_taken_back_for_those_who_wait_as_well():
    product = ProductFactory(stock=3)
    batching.place(product_id=product.pk, quantity=3)
    Hold.objects.update(created_at="2020-01-01T00:00Z", expires_at="2020-01-01T00:02Z")

    with Queue(product) as queue:
        for _ in range(4):
            queue.comes(quantity=1)

    assert [type(result).__name__ for result in queue.results] == ["Hold"] * 3 + ["InsufficientStock"]


def fail_on(monkeypatch, quantity: int, error: BaseException) -> None:
    """Let the request for so many units fail in the middle of its transaction."""
    original = requests.new_hold

    def new_hold(product, request, *, now):
        if request.quantity == quantity:
            raise error
        return original(product, request, now=now)

    monkeypatch.setattr(requests, "new_hold", new_hold)


def test_one_bad_request_does_not_spoil_the_others(monkeypatch):
    fail_on(monkeypatch, 7, ValueError("a fault of the program"))

    with Queue(ProductFactory(stock=100)) as queue:
        for quantity in (1, 2, 7, 3):
            queue.comes(quantity=quantity)

    assert [type(result).__name__ for result in queue.results] == ["Hold", "Hold", "ValueError", "Hold"]
    assert Stock.objects.get().reserved == 6


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_when_the_leader_is_stopped_the_others_hear_of_it_and_the_line_goes_on(monkeypatch):
    fail_on(monkeypatch, 7, SystemExit())

    with Queue(ProductFactory(stock=100)) as queue:
        queue.comes(quantity=7)
        queue.comes(quantity=1)
        queue.comes(quantity=1, once=key("next"))

    stopped, beside, next_one = queue.results
    assert stopped is None
    assert isinstance(beside, OutcomeUnknown)
    assert isinstance(next_one, Hold)
    assert Stock.objects.get().reserved == 1


def test_a_product_that_is_none_is_unknown_to_everybody():
    product = ProductFactory(stock=1)
    type(product).objects.update(is_published=False)

    with Queue(product) as queue:
        for _ in range(3):
            queue.comes(quantity=1)

    assert counts(queue.results) == {"NotFound": 3}


def test_who_waits_too_long_is_told_that_nothing_was_done(monkeypatch):
    monkeypatch.setattr(group_commit, "WAIT_SECONDS", 0.2)

    with Queue(ProductFactory(stock=100)) as queue:
        queue.comes(quantity=1)
        queue.comes(quantity=2)
        wait_until(lambda: queue.results[1] is not None)

    assert [type(result) for result in queue.results] == [Hold, Busy]
    assert Hold.objects.get().quantity == 1


def test_there_is_room_for_so_many_and_the_others_hear_it_at_once(settings):
    settings.MAX_CONCURRENT_HOLDS = 2

    with Queue(ProductFactory(stock=100)) as queue:
        for _ in range(4):
            queue.comes(quantity=1)
        told = [type(result) for result in queue.results]

    assert told == [type(None), type(None), Busy, Busy]
    assert Hold.objects.count() == 2


def test_a_line_whose_leader_hangs_is_led_by_the_next(monkeypatch):
    monkeypatch.setattr(group_commit, "LEAD_SECONDS", 0.0)

    with Queue(ProductFactory(stock=100)) as queue:
        for _ in range(6):
            queue.comes(quantity=1)

    assert counts(queue.results) == {"Hold": 6}
    assert len({hold.pk for hold in queue.results}) == 6


def test_a_database_that_does_not_answer_in_time_is_everybodys_error(monkeypatch):
    def decide(*_args, **_kwargs):
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = 1; SELECT pg_sleep(1)")

    monkeypatch.setattr(requests, "decide", decide)
    with Queue(ProductFactory(stock=100)) as queue:
        for _ in range(3):
            queue.comes(quantity=1)

    assert counts(queue.results) == {"OperationalError": 3}
    assert len({id(error) for error in queue.results}) == 3
    assert not Hold.objects.exists()


def test_different_products_do_not_wait_for_each_other():
    other = ProductFactory(stock=1)

    with Queue(ProductFactory(stock=1)) as queue:
        queue.comes(quantity=1)
        outcome: list = []
        thread = threading.Thread(target=lambda: outcome.append(_elsewhere(other)))
        thread.start()
        thread.join(WAIT_SECONDS)

    assert isinstance(outcome[0], Hold)


def _elsewhere(product) -> Hold:
    try:
        return batching.place(product_id=product.pk, quantity=1)
    finally:
        connection.close()


def test_a_batch_decides_each_request_in_order():
    product = ProductFactory(stock=5, max_per_hold=4, max_per_customer=4)
    requests = [
        holds.HoldRequest(quantity=quantity, customer_id=customer)
        for quantity, customer in [(3, "ann"), (2, "ann"), (5, "bob"), (3, "bob"), (2, "bob"), (1, "eve"), (1, "")]
    ]

    results = holds.place_batch(product_id=product.pk, requests=requests)

    assert [type(result).__name__ for result in results] == [
        "Hold", "LimitExceeded", "LimitExceeded", "InsufficientStock", "Hold", "InsufficientStock", "InvalidRequest",
    ]  # fmt: skip
    assert Stock.objects.get().reserved == 5
    assert audit.find_drift() == []

"""Requests of one process that share a transaction: each gets its own result, in order, also when one fails."""

import threading

import pytest
from django.db import connection, transaction

from catalog.models import Stock
from catalog.tests.factories import ProductFactory
from checkout import audit, holds
from checkout.holds import HoldView, batching, requests
from checkout.idempotency import IdempotencyKey
from checkout.models import Hold
from flashsale.core.batching import batcher, queues
from flashsale.core.refusals import IdempotencyKeyReused
from flashsale.core.transactions import Busy, OutcomeUnknown
from flashsale.tests.support.processes import WAIT_SECONDS, wait_until
from flashsale.tests.support.racing import counts, patient, replace

pytestmark = pytest.mark.django_db(transaction=True)


class Queue:
    """Requests that arrive one after the other while the test keeps the product's stock locked."""

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

    def submit(self, **request) -> None:
        """Submit one more request, and wait until it is in the queue or has its result."""
        number = len(self.results)
        self.results.append(None)
        inside = batching.hold_batcher._in_flight

        def buy() -> None:
            try:
                self.results[number] = holds.submit(product_id=self.product.pk, **request)
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
    """After every test no request is in flight, and the counters are right."""
    yield
    assert (batching.hold_batcher._in_flight, batching.hold_batcher._queues) == (0, {})
    assert audit.find_drift() == []


def test_waiting_requests_share_one_transaction_and_each_gets_a_hold():
    with Queue(ProductFactory(stock=100)) as queue:
        for quantity in range(1, 11):
            queue.submit(quantity=quantity)

    assert [view.hold.quantity for view in queue.results] == list(range(1, 11))
    assert Hold.objects.count() == 10
    assert transactions(queue.product) == 1


def test_first_come_first_served():
    with Queue(ProductFactory(stock=5)) as queue:
        for _ in range(10):
            queue.submit(quantity=1)

    assert [type(result).__name__ for result in queue.results] == ["HoldView"] * 5 + ["InsufficientStock"] * 5


def test_a_transaction_grants_a_bounded_number(monkeypatch):
    monkeypatch.setattr(queues, "MAX_BATCH", 4)

    with Queue(ProductFactory(stock=100)) as queue:
        for _ in range(10):
            queue.submit(quantity=1)

    assert counts(queue.results) == {"HoldView": 10}
    assert transactions(queue.product) == 3


def test_the_customers_limit_holds_within_a_transaction():
    with Queue(ProductFactory(stock=100, max_per_customer=2)) as queue:
        for _ in range(5):
            queue.submit(quantity=1, customer_id="ann")

    assert counts(queue.results) == {"HoldView": 2, "LimitExceeded": 3}


def test_a_request_with_a_key_is_not_overtaken_and_its_key_counts_once():
    with Queue(ProductFactory(stock=2)) as queue:
        queue.submit(quantity=1)
        queue.submit(quantity=1, key=key("a"))
        queue.submit(quantity=1)
        queue.submit(quantity=1, key=key("a"))
        queue.submit(quantity=1, key=key("a", "another body"))

    first, keyed, late, again, reused = queue.results
    assert isinstance(first, HoldView)
    assert isinstance(keyed, HoldView)
    assert late.code == "insufficient_stock"
    assert (again.hold.pk, again.is_replayed) == (keyed.hold.pk, True)
    assert isinstance(reused, IdempotencyKeyReused)


def test_a_refused_request_leaves_its_key_to_the_next_request():
    with Queue(ProductFactory(stock=5)) as queue:
        queue.submit(quantity=1)
        queue.submit(quantity=11, key=key("a", "too many"))
        queue.submit(quantity=2, key=key("a"))

    assert [type(result).__name__ for result in queue.results] == ["HoldView", "LimitExceeded", "HoldView"]


def test_overdue_units_are_reclaimed_for_waiting_requests_as_well():
    product = ProductFactory(stock=3)
    holds.submit(product_id=product.pk, quantity=3)
    Hold.objects.update(created_at="2020-01-01T00:00Z", expires_at="2020-01-01T00:02Z")

    with Queue(product) as queue:
        for _ in range(4):
            queue.submit(quantity=1)

    assert [type(result).__name__ for result in queue.results] == ["HoldView"] * 3 + ["InsufficientStock"]


def fail_on(monkeypatch, quantity: int, error: BaseException) -> None:
    """Let the request for so many units fail in the middle of its transaction."""
    original = requests._new_hold

    def new_hold(product, request, *, now):
        if request.quantity == quantity:
            raise error
        return original(product, request, now=now)

    monkeypatch.setattr(requests, "_new_hold", new_hold)


def test_one_bad_request_does_not_fail_the_others(monkeypatch):
    fail_on(monkeypatch, 7, ValueError("a fault of the program"))

    with Queue(ProductFactory(stock=100)) as queue:
        for quantity in (1, 2, 7, 3):
            queue.submit(quantity=quantity)

    assert [type(result).__name__ for result in queue.results] == ["HoldView", "HoldView", "ValueError", "HoldView"]
    assert Stock.objects.get().reserved == 6


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_when_the_leader_is_stopped_its_batch_is_unknown_and_the_queue_goes_on(monkeypatch):
    fail_on(monkeypatch, 7, SystemExit())

    with Queue(ProductFactory(stock=100)) as queue:
        queue.submit(quantity=7)
        queue.submit(quantity=1)
        queue.submit(quantity=1, key=key("next"))

    stopped, beside, next_one = queue.results
    assert stopped is None
    assert isinstance(beside, OutcomeUnknown)
    assert isinstance(next_one, HoldView)
    assert Stock.objects.get().reserved == 1


def test_an_unknown_product_is_refused_to_the_whole_batch():
    product = ProductFactory(stock=1)
    type(product).objects.update(is_published=False)

    with Queue(product) as queue:
        for _ in range(3):
            queue.submit(quantity=1)

    assert counts(queue.results) == {"NotFound": 3}


def test_a_request_that_waits_too_long_is_busy_and_does_nothing(monkeypatch):
    monkeypatch.setattr(batcher, "WAIT_SECONDS", 0.2)

    with Queue(ProductFactory(stock=100)) as queue:
        queue.submit(quantity=1)
        queue.submit(quantity=2)
        wait_until(lambda: queue.results[1] is not None)

    assert [type(result) for result in queue.results] == [HoldView, Busy]
    assert Hold.objects.get().quantity == 1


def test_requests_beyond_the_limit_are_busy_at_once(settings):
    settings.MAX_CONCURRENT_HOLDS = 2

    with Queue(ProductFactory(stock=100)) as queue:
        for _ in range(4):
            queue.submit(quantity=1)
        told = [type(result) for result in queue.results]

    assert told == [type(None), type(None), Busy, Busy]
    assert Hold.objects.count() == 2


def test_a_leader_that_hangs_is_replaced(monkeypatch):
    monkeypatch.setattr(batcher, "LEAD_SECONDS", 0.0)

    with Queue(ProductFactory(stock=100)) as queue:
        for _ in range(6):
            queue.submit(quantity=1)

    assert counts(queue.results) == {"HoldView": 6}
    assert len({view.hold.pk for view in queue.results}) == 6


def test_a_statement_timeout_is_an_error_of_the_whole_batch(monkeypatch):
    def decide(*_args, **_kwargs):
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = 1; SELECT pg_sleep(1)")

    replace(monkeypatch, requests.decide, decide)
    with Queue(ProductFactory(stock=100)) as queue:
        for _ in range(3):
            queue.submit(quantity=1)

    assert counts(queue.results) == {"OperationalError": 3}
    assert len({id(error) for error in queue.results}) == 3
    assert not Hold.objects.exists()


def test_different_products_do_not_wait_for_each_other():
    other = ProductFactory(stock=1)

    with Queue(ProductFactory(stock=1)) as queue:
        queue.submit(quantity=1)
        outcome: list = []
        thread = threading.Thread(target=lambda: outcome.append(_elsewhere(other)))
        thread.start()
        thread.join(WAIT_SECONDS)

    assert isinstance(outcome[0], HoldView)


def _elsewhere(product) -> HoldView:
    try:
        return holds.submit(product_id=product.pk, quantity=1)
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
        "HoldView", "LimitExceeded", "LimitExceeded", "InsufficientStock", "HoldView", "InsufficientStock",
        "InvalidRequest",
    ]  # fmt: skip
    assert Stock.objects.get().reserved == 5
    assert audit.find_drift() == []

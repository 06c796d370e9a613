"""Requests for holds of many products share a transaction, which only grants; a product's own batch does the rest."""

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from django.db import OperationalError, connection

from catalog.models import Product, Stock
from catalog.tests.factories import ProductFactory
from checkout import audit, holds
from checkout.holds import HoldRequest, HoldView, batching, placing
from checkout.holds.placing import NotGranted, StockLocked
from checkout.models import Hold
from flashsale.core import rows, transactions
from flashsale.core.refusals import NotFound
from flashsale.core.transactions import is_lock_timeout
from flashsale.tests.support.processes import WAIT_SECONDS, wait_until
from flashsale.tests.support.racing import at_once, blocked, other_connection, patient

pytestmark = pytest.mark.django_db(transaction=True)


def ask(*product_ids: int, quantity: int = 1) -> list:
    """Return the result of one shared transaction with a request for each of these products."""
    return placing.place_shared([(product_id, HoldRequest(quantity=quantity)) for product_id in product_ids])


def kinds(results: list) -> list[type]:
    return [type(result) for result in results]


@contextlib.contextmanager
def locked(*product_ids: int) -> Iterator[None]:
    """Lock the stock of these products in another transaction."""
    with other_connection() as other:
        other.execute("SELECT FROM catalog_stock WHERE product_id = ANY(%s) FOR UPDATE", [list(product_ids)])
        yield
        other.rollback()


@pytest.fixture
def product_ids() -> list[int]:
    return [ProductFactory(stock=5).pk for _ in range(4)]


def test_all_holds_are_committed_by_one_transaction(product_ids):
    results = ask(*product_ids, *product_ids)

    assert kinds(results) == [HoldView] * 8
    assert [result.hold.product_id for result in results] == product_ids * 2
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*), count(DISTINCT xmin::text) FROM checkout_hold")
        assert cursor.fetchone() == (8, 1)
    assert list(Stock.objects.values_list("reserved", flat=True)) == [2] * 4
    assert audit.find_drift() == []


def test_a_locked_product_is_left_out_without_a_wait(product_ids):
    with locked(product_ids[1], product_ids[3]):
        results = ask(*product_ids)

    assert kinds(results) == [HoldView, StockLocked, HoldView, StockLocked]
    assert set(Hold.objects.values_list("product_id", flat=True)) == {product_ids[0], product_ids[2]}
    assert audit.find_drift() == []


def test_the_first_product_is_waited_for_a_short_time(product_ids, monkeypatch):
    monkeypatch.setattr(placing, "SHARED_LOCK_WAIT_MS", 1)

    with locked(product_ids[0]), pytest.raises(OperationalError) as error:
        ask(*product_ids)

    assert is_lock_timeout(error.value)
    assert not Hold.objects.exists()


def test_where_one_request_would_be_refused_its_product_gets_nothing(product_ids):
    results = placing.place_shared(
        [
            (product_ids[0], HoldRequest(quantity=5)),
            (product_ids[0], HoldRequest(quantity=1)),
            (product_ids[1], HoldRequest(quantity=5)),
        ]
    )

    assert kinds(results) == [NotGranted, NotGranted, HoldView]
    assert Hold.objects.get().product_id == product_ids[1]
    assert audit.find_drift() == []


def test_a_product_that_is_not_there_or_not_published_gets_nothing(product_ids):
    hidden = ProductFactory().pk
    Product.objects.filter(pk=hidden).update(is_published=False)

    assert kinds(ask(hidden, 10**15, product_ids[0])) == [NotGranted, NotGranted, HoldView]


def _deadlocks_with_the_opposite_order(product_ids: list[int]) -> bool:
    """Share a transaction while another one has the last product, then locks the first; say whether they deadlock."""
    first, *_, last = product_ids

    def share() -> None:
        try:
            ask(*product_ids)
        finally:
            connection.close()

    lock = "SELECT FROM catalog_stock WHERE product_id = %s FOR UPDATE"
    with ThreadPoolExecutor(1) as pool, patient(), other_connection() as other:
        other.execute(lock, [last])
        shared = pool.submit(share)
        wait_until(lambda: shared.done() or blocked(), what="it has its locks, or waits for one")
        try:
            other.execute(lock, [first])
            other.rollback()
            shared.result(WAIT_SECONDS)
        except (psycopg.errors.DeadlockDetected, OperationalError):
            return True
        return False


def test_a_shared_transaction_cannot_deadlock_with_another_order_of_locks(product_ids):
    assert not _deadlocks_with_the_opposite_order(product_ids)
    assert set(Hold.objects.values_list("product_id", flat=True)) == set(product_ids[:-1])


def test_control_when_locked_rows_are_waited_for_it_can(product_ids, monkeypatch):
    monkeypatch.setattr(placing, "SHARED_LOCK_WAIT_MS", 0)
    monkeypatch.setattr(rows, "SKIP_LOCKED", "")
    monkeypatch.setattr(transactions, "MAX_ATTEMPTS", 1)

    assert _deadlocks_with_the_opposite_order(product_ids)


def _crowd(product_ids: list[int], each: int) -> list:
    """Submit `each` requests of one unit for each of the products, all at once."""
    return at_once(*(lambda pk=pk: holds.submit(product_id=pk, quantity=1) for pk in product_ids * each))


def test_a_crowd_on_many_products_gets_every_unit_once(product_ids, monkeypatch):
    shared = []
    place_shared = placing.place_shared
    monkeypatch.setattr(placing, "place_shared", lambda requests: shared.append(requests) or place_shared(requests))

    results = _crowd(product_ids, each=8)

    assert kinds(results).count(HoldView) == 20
    assert {type(result).__name__ for result in results} == {"HoldView", "InsufficientStock"}
    assert shared
    assert list(Stock.objects.values_list("reserved", flat=True)) == [5] * 4
    assert audit.find_drift() == []


def test_a_product_that_is_locked_for_long_is_kept_apart_and_the_others_sell_on(product_ids, monkeypatch):
    monkeypatch.setattr(batching, "SHARING_PRODUCTS", 1)
    stuck, *others = product_ids

    with locked(stuck):
        results = at_once(*(lambda pk=pk: holds.submit(product_id=pk, quantity=1) for pk in others))
        [result] = batching._process_shared(None, [(stuck, HoldRequest(quantity=1))], list)

    assert kinds([*results, result]) == [HoldView] * 3 + [StockLocked]
    monkeypatch.setattr(batching, "SHARING_PRODUCTS", 0)
    assert not batching.products.share_transactions(stuck)
    assert batching.products.share_transactions(others[0])


def test_a_request_with_a_key_and_an_unknown_product_have_their_own_batch(product_ids, monkeypatch):
    monkeypatch.setattr(batching, "SHARING_PRODUCTS", 1)
    key = {"client": "", "key": "k" * 16, "body_hash": "x"}
    monkeypatch.setattr(placing, "place_shared", lambda requests: [NotGranted() for _ in requests])

    view = holds.submit(product_id=product_ids[0], quantity=1, key=batching.IdempotencyKey(**key))

    assert isinstance(view, HoldView)
    with pytest.raises(NotFound):
        holds.submit(product_id=10**15, quantity=1)


def test_products_in_progress_are_forgotten_when_their_requests_end(product_ids):
    _crowd(product_ids, each=2)

    assert not batching.products._requests

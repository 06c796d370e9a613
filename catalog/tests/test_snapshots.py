"""Snapshots of products: equal to PostgreSQL after every commit, and dispensable."""

import json
import logging
from datetime import timedelta
from io import StringIO

import pytest
import redis
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from catalog import availability, products, snapshot_refresh, snapshots, tasks
from catalog.availability import ProductForecast
from catalog.models import Product, Stock
from catalog.snapshots import ReadStart, Snapshot, answers, stored
from catalog.tests.factories import ProductFactory
from checkout import holds
from checkout.models import Hold
from checkout.tests.factories import HoldFactory
from flashsale.core import redis_client
from flashsale.tests.support.contract import members_of

PAST = timezone.now() - timedelta(days=1)
MAX_AGE_MS = answers.MAX_AGE_MS

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def long_ttl(monkeypatch):
    """Snapshots live for a minute: a busy machine needs more than a second. The circuit breaker is closed."""
    stored._breaker.reset()
    monkeypatch.setattr(answers, "MAX_AGE_MS", 60_000)
    monkeypatch.setattr(availability, "LOOKAHEAD", timedelta(minutes=1))


@pytest.fixture
def store():
    """The Redis that holds the snapshots."""
    client = redis.Redis.from_url(settings.REDIS_URL)
    yield client
    client.close()


def available(api, product) -> tuple[int, int]:
    """Return the available units that the API shows, and how many queries that took."""
    with CaptureQueriesContext(connection) as queries:
        body = api.get(f"/api/v1/products/{product.pk}").json()
    return body["available_stock"], len(queries)


def forecast(product) -> ProductForecast:
    [found] = availability.read_forecasts(Product.objects.filter(pk=product.pk))
    return found


def keep(forecast: ProductForecast, members: dict, *, started: ReadStart) -> None:
    """Store an answer whose read from PostgreSQL began at that time."""
    units = {"total_stock": forecast.view.stock.total, "available_stock": forecast.view.available_stock}
    snapshot = Snapshot.of(forecast, units | members, read_started=started.at)
    snapshots.store(forecast.view.product.pk, snapshot, started=started)


def key(product) -> str:
    return stored._keys(product.pk)[0]


def test_an_answer_is_cached_for_a_second_and_every_commit_writes_through(api, store):
    product = ProductFactory()

    first, cached = available(api, product), available(api, product)
    ttl_ms = store.pttl(key(product))
    hold = holds.place(product_id=product.pk, quantity=3)
    after_a_hold = available(api, product)
    holds.release(hold.pk)

    assert (first, cached, after_a_hold) == ((10, 1), (10, 0), (7, 0))
    assert available(api, product) == (10, 0)
    assert 0 < store.pttl(key(product)) <= ttl_ms <= answers.MAX_AGE_MS
    assert MAX_AGE_MS == 1000


def test_an_answer_that_was_written_through_is_equal_to_a_fresh_one(api, store):
    product = ProductFactory(stock=3)
    url = f"/api/v1/products/{product.pk}"
    api.get(url)

    holds.place(product_id=product.pk, quantity=3)
    written = api.get(url).json()
    store.delete(key(product))

    assert written == api.get(url).json()
    assert (written["sale_status"], written["is_sold_out"]) == ("sold_out", True)


def test_an_answer_that_counts_overdue_units_is_dropped_by_a_commit(api):
    product = ProductFactory()
    hold = HoldFactory(product=product, quantity=4)
    Hold.objects.filter(pk=hold.pk).update(created_at=PAST, expires_at=PAST + timedelta(minutes=2))
    HoldFactory(product=product, quantity=1)

    before = available(api, product), available(api, product)
    holds.expire_due()

    assert before == ((9, 1), (9, 0))
    assert available(api, product) == (9, 1)


def test_of_two_writers_the_newer_version_wins(api):
    product = ProductFactory()
    available(api, product)
    older = Stock(product_id=product.pk, total=10, reserved=1, version=1)
    newer = Stock(product_id=product.pk, total=10, reserved=6, version=2)

    snapshots.write_through(newer)
    snapshots.write_through(older)

    assert available(api, product) == (4, 0)


def test_a_change_by_staff_is_visible_at_once(api):
    product = ProductFactory()
    url = f"/api/v1/products/{product.pk}"
    seen = [api.get(url).json()["sale_status"]]

    products.pause(product.pk)
    seen.append(api.get(url).json()["sale_status"])
    products.resume(product.pk)
    seen.append(api.get(url).json()["sale_status"])

    assert seen == ["live", "paused", "live"]


def test_a_cached_answer_is_equal_to_a_fresh_one(api):
    product = ProductFactory(sale_ends_at=timezone.now() + timedelta(days=1))
    url = f"/api/v1/products/{product.pk}"

    assert api.get(url).json() == api.get(url).json()
    assert api.get(url).json() == next(p for p in api.get("/api/v1/products").json()["results"])


def test_o1_an_answer_read_before_a_commit_is_not_stored_after_it(api):
    product = ProductFactory()
    started = snapshots.start_read()
    stale = forecast(product)
    holds.place(product_id=product.pk, quantity=3)

    keep(stale, {"sale_status": "live"}, started=started)

    assert available(api, product) == (7, 1)


def test_a_late_write_through_of_an_older_commit_changes_nothing(api):
    product = ProductFactory()
    holds.place(product_id=product.pk, quantity=3)
    available(api, product)

    with transaction.atomic():
        snapshots.write_through(Stock(product_id=product.pk, total=99, version=0))

    assert available(api, product) == (7, 0)


def test_a_rolled_back_transaction_invalidates_nothing(api):
    product = ProductFactory(max_per_hold=99)
    available(api, product)

    with pytest.raises(Exception, match="Only 10"):
        holds.place(product_id=product.pk, quantity=11)

    assert available(api, product) == (10, 0)


def test_an_answer_that_took_longer_than_its_ttl_is_not_stored(api):
    product = ProductFactory()

    started = snapshots.start_read()
    keep(forecast(product), {"available_stock": 99}, started=ReadStart(started.at_ms, started.at - 61))

    assert available(api, product) == (10, 1)


def test_an_answer_that_was_delayed_on_its_way_to_valkey_is_not_kept(api, store):
    """Its process was stopped after it had compared the times."""
    product = ProductFactory()
    started = snapshots.start_read()

    keep(forecast(product), {"available_stock": 99}, started=ReadStart(started.at_ms - 61_000, started.at))

    assert store.exists(key(product)) == 0
    assert available(api, product) == (10, 1)


@pytest.mark.parametrize("what", ["a deadline", "the start of the sale"])
def test_an_answer_that_the_clock_changes_within_its_ttl_is_not_stored(api, what):
    product = ProductFactory()
    soon = timezone.now() + timedelta(seconds=54)
    if what == "a deadline":
        hold = holds.place(product_id=product.pk, quantity=1)
        Hold.objects.filter(pk=hold.pk).update(expires_at=soon)
    else:
        Product.objects.update(sale_starts_at=soon)

    assert available(api, product)[1] == 1
    assert available(api, product)[1] == 1


def test_without_redis_postgresql_answers(api, dead_redis):
    product = ProductFactory()

    assert available(api, product) == (10, 1)
    holds.place(product_id=product.pk, quantity=4)
    assert available(api, product) == (6, 1)


def test_a7_without_redis_no_request_fails_and_one_line_is_logged(api, dead_redis, monkeypatch, caplog):
    product = ProductFactory(stock=40)
    monkeypatch.setattr(redis_client, "PAUSE_AFTER_ERROR_SECONDS", 60)

    products_read = [api.get(f"/api/v1/products/{product.pk}") for _ in range(20)]
    placed = [api.post("/api/v1/holds", {"product_id": product.pk, "quantity": 1}) for _ in range(20)]

    assert {answer.status_code for answer in products_read} == {200}
    assert {answer.status_code for answer in placed} == {201}
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [(record.msg["event"], record.exc_info) for record in warnings] == [("redis_silent", None)]


@pytest.mark.parametrize("damage", ["emptied", "another type"])
def test_damaged_snapshots_do_not_change_the_answer(api, store, damage):
    product = ProductFactory()
    available(api, product)
    store.flushdb()
    if damage == "another type":
        store.set(key(product), "damaged")

    assert available(api, product) == (10, 1)


def test_the_refresh_stores_every_published_product(api, monkeypatch):
    monkeypatch.setattr(snapshot_refresh, "BATCH_ROWS", 2)
    published = [ProductFactory() for _ in range(5)]
    out = StringIO()

    call_command("refresh_availability", stdout=out)

    assert out.getvalue() == "5 products refreshed\n"
    assert [available(api, product) for product in published] == [(10, 0)] * 5


@pytest.mark.parametrize("dies", ["before it", "in the middle"])
@pytest.mark.parametrize("published", [0, 3])
def test_a_refresh_without_redis_fails(request, monkeypatch, dies, published):
    for _ in range(published):
        ProductFactory()
    request.getfixturevalue("dead_redis")
    if dies == "in the middle" and published:
        monkeypatch.setattr(snapshots, "is_reachable", lambda: True)
    out = StringIO()

    with pytest.raises(CommandError, match="Redis did not answer"):
        call_command("refresh_availability", stdout=out)
    with pytest.raises(snapshots.RedisUnavailable):
        tasks.refresh_availability()

    assert out.getvalue() == ""


def test_an_answer_that_a_process_of_an_older_version_stored_is_not_used(api, store):
    product = ProductFactory(sku="A-1")
    url = f"/api/v1/products/{product.pk}"
    assert set(api.get(url).json()) == answers.MEMBERS == members_of("Product")
    key = stored._keys(product.pk)[0]
    older = {name: value for name, value in json.loads(store.hget(key, "answer")).items() if name != "sku"}
    store.hset(key, "answer", json.dumps(older))

    assert api.get(url).json()["sku"] == "A-1"

"""Refused claims are counted by product, reason and second; the numbers survive errors of the database."""

import time
from datetime import timedelta

import httpx
import psycopg
import pytest
from django.db import connection
from django.utils import timezone

from catalog.tests.factories import ProductFactory
from checkout import refusal_counts, tasks
from checkout.models import RefusalCount
from checkout.refusal_counts import counting, stored
from checkout.refusal_counts.counting import RefusalCounter
from checkout.refusal_counts.writing import RefusalWriter
from flashsale.core import events
from flashsale.tests.support.web import database_url, web_server


@pytest.fixture(autouse=True)
def nothing_counted():
    refusal_counts.counter.reset()


def place(api, product_id: int, *, quantity: int = 1, **headers: str) -> int:
    return api.post("/api/v1/holds", {"product_id": product_id, "quantity": quantity}, headers=headers).status_code


def counted() -> dict[tuple[int, str], int]:
    counts = refusal_counts.counter.take()
    return {(period.product_id, period.code): count for period, count in counts.items()}


def stored_claims() -> dict[str, int]:
    return dict(RefusalCount.objects.values_list("code", "claims"))


def test_each_refused_claim_is_counted_by_product_and_reason(api, db):
    small = ProductFactory(stock=1)
    paused = ProductFactory(paused_at=timezone.now())

    answers = {place(api, small.pk, quantity=2) for _ in range(2)} | {place(api, paused.pk)}

    assert answers == {409}
    assert counted() == {(small.pk, "insufficient_stock"): 2, (paused.pk, "sale_paused"): 1}


def test_what_no_sale_refused_is_not_counted(api, product):
    headers = {"idempotency-key": "0123456789abcdef"}
    place(api, product.pk, quantity=1, **headers)

    answers = [place(api, product.pk + 1), place(api, product.pk, quantity=2, **headers)]

    assert answers == [404, 422]
    assert counted() == {}


def test_processes_add_to_the_same_seconds(db, monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 1_800_000_000.25)
    processes = [RefusalCounter(), RefusalCounter()]
    for process in processes:
        process.add("insufficient_stock", product_id=1)
        process.add("sale_ended", product_id=1)
        process.add("insufficient_stock", product_id=1)

    for process in processes:
        RefusalWriter(process).work()

    assert stored_claims() == {"insufficient_stock": 4, "sale_ended": 2}
    assert {int(row.began_at.timestamp()) for row in RefusalCount.objects.all()} == {1_800_000_000}


@pytest.mark.django_db(transaction=True)
def test_an_error_of_the_database_loses_nothing_and_reaches_no_request(caplog):
    counter = RefusalCounter()
    counter.add("sale_ended", product_id=1)
    writer = RefusalWriter(counter)
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '10ms'")

    with psycopg.connect(database_url()) as other:
        other.execute("LOCK TABLE checkout_refusalcount")
        writer.work()
        counter.add("sale_ended", product_id=1)
        writer.work()
    assert stored_claims() == {}
    writer.work()

    assert sum(stored_claims().values()) == 2
    assert len([line for line in caplog.messages if "refusals could not be stored" in line]) == 1
    connection.close()


def test_what_is_kept_is_bounded_and_a_loss_is_logged(monkeypatch):
    monkeypatch.setattr(counting, "MAX_UNWRITTEN", 2)
    monkeypatch.setattr(time, "time", lambda: 1_800_000_000.25)
    logged = []
    monkeypatch.setattr(events.log, "log", lambda _level, event, **fields: logged.append((event, fields)))
    counter = RefusalCounter()
    for product_id in (1, 2, 3, 4, 2):
        counter.add("sale_ended", product_id=product_id)

    kept = counter.take()

    assert {period.product_id for period in kept} == {1, 2}
    assert sum(kept.values()) == 3
    assert logged == [("refusals_uncounted", {"count": 2})]


@pytest.mark.django_db(transaction=True)
def test_a_process_that_stops_stores_what_it_counted():
    counter = RefusalCounter()
    writer = RefusalWriter(counter)
    writer.start()
    counter.add("sale_ended", product_id=1)

    writer.stop()

    assert stored_claims() == {"sale_ended": 1}


def add(*, hours_ago: float, claims: int = 1, seconds: int = RefusalCount.SECOND, code: str = "sale_ended"):
    minute = timezone.now().replace(second=0, microsecond=0) - timedelta(hours=hours_ago)
    return RefusalCount.objects.create(product_id=1, code=code, began_at=minute, seconds=seconds, claims=claims)


def test_old_seconds_become_minutes_and_no_claim_is_lost(db):
    hours = stored.SECONDS_KEPT_HOURS + 1
    young = add(hours_ago=hours - 2, claims=7)
    minute = add(hours_ago=hours, claims=100, seconds=RefusalCount.MINUTE)
    add(hours_ago=hours, claims=1)
    RefusalCount.objects.create(
        product_id=1, code="sale_ended", began_at=minute.began_at + timedelta(seconds=59), seconds=1, claims=10
    )
    add(hours_ago=hours, claims=5, code="sale_paused")

    tasks.compact_refusal_counts()

    rows = set(RefusalCount.objects.values_list("code", "began_at", "seconds", "claims"))
    assert rows == {
        ("sale_ended", young.began_at, 1, 7),
        ("sale_ended", minute.began_at, 60, 111),
        ("sale_paused", minute.began_at, 60, 5),
    }


def test_old_minutes_are_deleted(db):
    add(hours_ago=24 * stored.MINUTES_KEPT_DAYS + 1, seconds=RefusalCount.MINUTE)
    kept = add(hours_ago=24 * stored.MINUTES_KEPT_DAYS - 1, seconds=RefusalCount.MINUTE)

    tasks.compact_refusal_counts()

    assert list(RefusalCount.objects.all()) == [kept]


def test_old_seconds_are_found_by_their_index(new_tables):
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {stored._COMPACT}", [timezone.now(), 10])
        plan = "\n".join(line for (line,) in cursor.fetchall())

    assert "refusal_count_by_time" in plan


@pytest.mark.http
@pytest.mark.django_db(transaction=True)
def test_a_restart_of_the_web_server_keeps_the_numbers(tmp_path):
    product = ProductFactory(stock=1)
    for number in (1, 2):
        with web_server(tmp_path / f"log-{number}") as port:
            url = f"http://127.0.0.1:{port}/api/v1/holds"
            answer = httpx.post(url, json={"product_id": product.pk, "quantity": 2})
            assert answer.status_code == 409

        assert sum(RefusalCount.objects.values_list("claims", flat=True)) == number

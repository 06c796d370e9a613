"""Deadlocks, lock timeouts, lost connections: retried as a whole, or said by name, never a 500."""

import os
import signal
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import IntegrityError, OperationalError, connection
from django.utils import timezone

from catalog import inventory
from catalog.models import Stock
from catalog.tests.factories import ProductFactory
from checkout import audit, holds
from checkout.holds import requests
from checkout.models import Hold
from flashsale.core import transactions
from flashsale.core.transactions import MAX_ATTEMPTS, retrying_transaction
from flashsale.tests.support.problems import problem_of
from flashsale.tests.support.processes import WAIT_SECONDS, start, wait_until
from flashsale.tests.support.racing import PRODUCTION_TIMEOUTS, Meeting, at_once, other_connection, replace
from flashsale.tests.support.web import database_url

pytestmark = pytest.mark.django_db(transaction=True)
# Places a hold, and stops like a frozen machine between locking the stock and writing.
FREEZE = """
import os, signal
from catalog import inventory
from checkout import holds
lock_for_claims = inventory.lock_for_claims
def lock_and_freeze(product_id):
    locked = lock_for_claims(product_id)
    os.kill(os.getpid(), signal.SIGSTOP)
    return locked
inventory.lock_for_claims = lock_and_freeze
holds.place(product_id={product_id}, quantity=1)
"""


def test_a6_a_deadlock_is_retried_as_a_whole_transaction():
    first, second = ProductFactory(), ProductFactory()
    meeting = Meeting(2)
    attempts = []

    @retrying_transaction
    def take_both(one, other):
        attempts.append(one)
        inventory.reserve(inventory.lock(one), units=1)
        meeting.wait()
        inventory.reserve(inventory.lock(other), units=1)

    results = at_once(lambda: take_both(first.pk, second.pk), lambda: take_both(second.pk, first.pk))

    assert results == [None, None]
    # One more for each time that they meet again.
    assert 3 <= len(attempts) <= 2 * MAX_ATTEMPTS
    assert list(Stock.objects.order_by("pk").values_list("reserved", flat=True)) == [2, 2]


def test_a_transaction_is_not_retried_for_ever():
    attempts = []

    @retrying_transaction
    def always_loses():
        attempts.append(1)
        with connection.cursor() as cursor:
            cursor.execute("DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '40001'; END $$")

    with pytest.raises(OperationalError):
        always_loses()

    assert len(attempts) == MAX_ATTEMPTS


def test_a5_a_lock_that_does_not_come_is_busy_and_nothing_is_done_without_it(api, monkeypatch):
    product = ProductFactory()
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '100ms'")
    with other_connection() as blocker:
        blocker.execute("SELECT 1 FROM catalog_stock WHERE product_id = %s FOR UPDATE", [product.pk])
        decide = requests.decide

        def let_go_and_decide(*args, **kwargs):
            # A request that decides without the lock could write as well.
            blocker.rollback()
            return decide(*args, **kwargs)

        replace(monkeypatch, decide, let_go_and_decide)
        response = api.post("/api/v1/holds", {"product_id": product.pk, "quantity": 1})

    connection.close()
    problem_of(response, 503, "busy")
    assert response.headers["Retry-After"] == "1"
    assert not Hold.objects.exists()


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("SELECT 1 / 0 WHERE %s > 0", 500, "internal_error"),
        ("SELECT * FROM no_such_table WHERE id = %s", 500, "internal_error"),
        ("SELECT pg_terminate_backend(pg_backend_pid()) WHERE %s > 0", 503, "busy"),
    ],
    ids=["division by zero", "no such table", "connection lost"],
)
def test_a1_an_error_of_the_database_is_not_answered_as_sold_out(api, monkeypatch, fault, status, code):
    product = ProductFactory()
    monkeypatch.setattr(inventory, "_PRODUCT", fault)

    response = api.post("/api/v1/holds", {"product_id": product.pk, "quantity": 1})

    connection.close()
    problem_of(response, status, code)
    assert Stock.objects.get().free == 10


def test_a_process_that_freezes_while_it_holds_the_stock_lock_stops_no_other_hold(tmp_path):
    product = ProductFactory()
    environment = os.environ | {"DATABASE_URL": database_url(), "DATABASE_IDLE_TRANSACTION_MS": "300"}
    with (tmp_path / "output").open("w") as output:
        argv = (sys.executable, "manage.py", "shell", "-v", "0", "-c", FREEZE.format(product_id=product.pk))
        frozen = start(*argv, environment=environment, stdout=output, stderr=output)
    wait_until(lambda: is_stopped(frozen.pid) or frozen.poll() is not None, what="the process freezes")

    hold = holds.place(product_id=product.pk, quantity=1)
    os.kill(frozen.pid, signal.SIGCONT)

    assert frozen.wait(WAIT_SECONDS) == 1, (tmp_path / "output").read_text()
    assert "IdleInTransactionSessionTimeout" in (tmp_path / "output").read_text()
    assert [found.pk for found in Hold.objects.all()] == [hold.pk]
    assert audit.find_drift() == []


def is_stopped(pid: int) -> bool:
    """Say whether the process was stopped by SIGSTOP."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def test_s5_a_request_that_sleeps_inside_its_transaction_loses_it(api, monkeypatch):
    product = ProductFactory()
    original = inventory.lock_for_claims

    def sleep(product_id):
        stock = original(product_id)
        with connection.cursor() as cursor:
            # A hundredth of what every connection of the product has.
            cursor.execute("SET idle_in_transaction_session_timeout = '50ms'")
        pid = connection.connection.info.backend_pid
        with other_connection(autocommit=True) as watcher:
            wait_until(
                lambda: not watcher.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", [pid]).fetchone(),
                what="the server ends the transaction",
            )
        return stock

    monkeypatch.setattr(inventory, "lock_for_claims", sleep)

    response = api.post("/api/v1/holds", {"product_id": product.pk, "quantity": 1})

    connection.close()
    problem_of(response, 503, "busy")
    assert not Hold.objects.exists()


def test_every_connection_has_its_timeouts():
    names = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")

    with other_connection(options=PRODUCTION_TIMEOUTS) as opened:
        found = opened.execute("SELECT " + ", ".join(f"current_setting('{name}')" for name in names)).fetchone()

    assert found == ("2s", "10s", "5s")


@pytest.mark.parametrize("moment", ["before the commit", "while committing"])
def test_a_lost_connection_says_whether_anything_was_done(api, monkeypatch, moment):
    product = ProductFactory()

    def cut(*_, **__):
        with other_connection(autocommit=True) as killer:
            killer.execute("SELECT pg_terminate_backend(%s)", [connection.connection.info.backend_pid])
        return original(*_, **__)

    if moment == "before the commit":
        original = inventory.lock_for_claims
        monkeypatch.setattr(inventory, "lock_for_claims", cut)
    else:
        # The statement that ends the transaction ends the connection instead.
        end = transactions.Statement("SELECT pg_terminate_backend(pg_backend_pid())")
        monkeypatch.setattr(transactions, "COMMIT", end)

    response = api.post("/api/v1/holds", {"product_id": product.pk, "quantity": 1})

    monkeypatch.undo()
    connection.close()
    problem_of(response, 503, "busy" if moment == "before the commit" else "outcome_unknown")
    assert audit.find_drift() == []


def test_a_commit_that_the_server_refuses_is_no_unknown_outcome():
    now = timezone.now()
    of_no_product = Hold(
        product_id=999_999,
        quantity=1,
        unit_price=1,
        currency="USD",
        created_at=now,
        expires_at=now + timedelta(hours=1),
    )

    with pytest.raises(IntegrityError):
        retrying_transaction(of_no_product.save)(force_insert=True)

    assert not Hold.objects.exists()

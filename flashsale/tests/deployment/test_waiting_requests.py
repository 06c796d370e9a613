"""Requests that wait for PostgreSQL: others are answered from memory, and a server that stops answers all of them."""

import json
import os
import signal
from collections.abc import Iterator
from uuid import uuid4

import httpx
import psycopg
import pytest

from catalog.tests.factories import ProductFactory
from checkout import audit
from checkout.models import Hold
from flashsale.core.capacity import shares
from flashsale.tests.support.processes import children_of, processes_naming, wait_until
from flashsale.tests.support.web import Line, database_url, head_of, web_server

pytestmark = [pytest.mark.http, pytest.mark.django_db(transaction=True)]
# The size of the server's connection pool.
CONNECTIONS = 4
PATIENT = {
    "DATABASE_POOL_MAX": str(CONNECTIONS),
    "DATABASE_LOCK_TIMEOUT_MS": "100000",
    "DATABASE_STATEMENT_TIMEOUT_MS": "100000",
}
WAITING = 5


@pytest.fixture
def port(tmp_path):
    with web_server(tmp_path / "log", **PATIENT) as port:
        yield port
    assert "Traceback" not in (tmp_path / "log").read_text()


@pytest.fixture
def locker() -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url()) as locker:
        yield locker


def waiting_for_locks() -> int:
    with psycopg.connect(database_url(), autocommit=True) as session:
        return session.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'").fetchone()[0]


def server_of(port: int) -> int:
    """Return the process id of the server, the parent of the worker process."""
    [server] = [pid for pid in processes_naming(f"--port\0{port}") if children_of(pid)]
    return server


def threads_of(port: int) -> int:
    [worker] = children_of(server_of(port))
    return len(os.listdir(f"/proc/{worker}/task"))


def hold_request(product_id: int) -> bytes:
    body = json.dumps({"product_id": product_id, "quantity": 1}).encode()
    return head_of("POST /api/v1/holds", "Content-Type: application/json", f"Content-Length: {len(body)}") + body


def test_while_every_worker_thread_waits_products_and_refusals_are_answered_from_memory(port, locker, settings):
    settings.DATABASE_POOL_MAX = CONNECTIONS
    product, before = ProductFactory(stock=1), threads_of(port)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client, Line(port) as buyer:

        def asked() -> list[int]:
            buyer.send(hold_request(product.pk))
            return [client.get(path).status_code for path in ("/livez", f"/api/v1/products/{product.pk}")] + [
                buyer.answer()[0]
            ]

        assert asked() == [200, 200, 201]
        assert asked() == [200, 200, 409]
        locker.execute("LOCK TABLE checkout_hold IN ACCESS EXCLUSIVE MODE")
        lines = [Line(port) for _ in range(shares.worker_threads() + WAITING)]
        for line in lines:
            line.send(head_of(f"GET /api/v1/holds/{uuid4()}"))
        wait_until(lambda: threads_of(port) - before >= shares.worker_threads(), what="every worker thread waits")

        assert asked() == [200, 200, 409]
        assert waiting_for_locks() == CONNECTIONS

        locker.rollback()
        assert {line.answer()[0] for line in lines} <= {404, 503}
        for line in lines:
            line.__exit__()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_server_that_stops_answers_the_requests_in_progress(port, locker, number):
    product = ProductFactory(stock=10)
    locker.execute("SELECT 1 FROM catalog_stock FOR UPDATE")
    lines = [Line(port) for _ in range(WAITING)]
    for line in lines:
        line.send(hold_request(product.pk))
    wait_until(lambda: waiting_for_locks() == 1, what="the holds wait")
    server = server_of(port)

    os.kill(server, number)

    wait_until(lambda: refuses_connections(port), what="the server accepts no connection")
    locker.rollback()
    assert [line.answer()[0] for line in lines] == [201] * WAITING
    wait_until(lambda: not children_of(server), what="the process ended")
    assert Hold.objects.count() == WAITING
    assert audit.find_drift() == []


def refuses_connections(port: int) -> bool:
    try:
        with Line(port):
            return False
    except ConnectionError:
        return True

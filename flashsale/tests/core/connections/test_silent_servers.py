"""A server that stops answering in the middle: a web process leaves it, and answers its clients."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest
from django.db import OperationalError

from catalog.tests.factories import ProductFactory
from flashsale.core.connections.connection import PooledConnection, limit_answers
from flashsale.core.transactions import OutcomeUnknown, is_transient
from flashsale.tests.chaos.proxy import Swallow
from flashsale.tests.chaos.shop import open_shop
from flashsale.tests.core.connections.conftest import POOL, pid_of
from flashsale.tests.support.processes import WAIT_SECONDS

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def own(connect, pair, monkeypatch):
    """A pooled connection to the primary, which waits for two seconds."""
    monkeypatch.setattr(PooledConnection, "answer_seconds", 2.0)
    return connect(pair[0], pool=POOL)


@pytest.mark.parametrize(
    ("statement_ms", "commit", "waits"), [(10_000, 5, 15), (1_000, 5, 15), (20_000, 5, 25), (1_000, 30, 35)]
)
def test_a_web_process_waits_for_longer_than_postgresql_may_work(settings, monkeypatch, statement_ms, commit, waits):
    monkeypatch.setattr(PooledConnection, "answer_seconds", None)
    settings.DATABASE_STATEMENT_TIMEOUT_MS, settings.DATABASE_COMMIT_SECONDS = statement_ms, commit

    limit_answers()

    assert PooledConnection.answer_seconds == waits


@contextlib.contextmanager
def frozen(pid: int) -> Iterator[None]:
    """Stop a server process, as a machine or a disk that stands still does."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_statement_without_an_answer_ends_and_the_next_has_another_connection(own):
    pid = pid_of(own)

    with frozen(pid):
        with pytest.raises(OperationalError, match="no answer within 2 s") as caught:
            pid_of(own)
        own.close()

        assert is_transient(caught.value)
        assert pid_of(own) != pid


def test_all_connections_to_a_server_that_does_not_answer_are_replaced(own):
    own.pool.open(wait=True)
    pid = pid_of(own)
    idle = list(own.pool._pool)

    with frozen(pid), pytest.raises(OperationalError):
        pid_of(own)

    assert len(idle) == POOL["max_size"] - 1
    assert all(one.closed for one in idle)


def test_of_a_write_without_an_answer_the_outcome_is_unknown(own):
    pid = pid_of(own)

    with frozen(pid), own.cursor() as cursor, pytest.raises(OutcomeUnknown):
        cursor.execute("UPDATE catalog_stock SET reserved = 0")


def test_a_command_with_a_pool_waits_for_as_long_as_it_takes_and_a_web_process_does_not():
    program = "; ".join([
        "import django; django.setup()",
        "from flashsale.core.connections.connection import PooledConnection; print(PooledConnection.answer_seconds)",
        "import flashsale.wsgi; print(PooledConnection.answer_seconds)",
    ])  # fmt: skip
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "flashsale.settings", "DATABASE_POOL_MAX": "4"}

    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["None", "15.0"]


@pytest.mark.http
def test_while_postgresql_does_not_answer_every_request_gets_busy(tmp_path):
    product = ProductFactory()
    requests = [("GET", "/api/v1/orders/0f7a1c1e-52a0-4d0e-9a54-6a1f0c2f7b11", None),
                ("POST", "/api/v1/holds", {"product_id": product.pk, "quantity": 1})]  # fmt: skip
    with (
        open_shop(tmp_path, "web", workers=1, requests=20, connections=4) as shop,
        httpx.Client(base_url=shop.url, timeout=WAIT_SECONDS) as client,
    ):
        before = [client.request(method, path, json=body).status_code for method, path, body in requests]
        with shop.database.doing(Swallow()):
            silent = [client.request(method, path, json=body) for method, path, body in requests]

        assert before == [404, 201]
        assert [(answer.status_code, answer.json()["code"]) for answer in silent] == [(503, "busy")] * 2
        assert {answer.headers["Retry-After"] for answer in silent} == {"1"}

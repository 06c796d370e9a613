"""A server that takes no writes: no connection to it stays after the first refused write, and it is not ready."""

import contextlib

import pytest
from django.db import InternalError, OperationalError, connection, transaction
from django.db.backends.postgresql.base import DatabaseWrapper as DjangosWrapper

from flashsale.core.connections import connection as own_connection
from flashsale.core.connections import pool as own_pool
from flashsale.observability import health
from flashsale.tests.core.connections.conftest import POOL, pid_of
from flashsale.tests.support.processes import wait_until

pytestmark = pytest.mark.django_db(transaction=True)
WRITE = "UPDATE catalog_stock SET reserved = 0"


@pytest.fixture
def standby(pair):
    """The server that takes no writes."""
    return pair[1]


def living(node, pids) -> set[int]:
    """Return those of the server processes that still live."""
    with node.connect() as opened:
        rows = opened.execute("SELECT pid FROM pg_stat_activity WHERE pid = ANY(%s)", [list(pids)])
        return {pid for (pid,) in rows}


def write(wrapper) -> None:
    """Try to write, in a transaction of its own."""
    with wrapper.cursor() as cursor, pytest.raises(InternalError, match="read-only"):
        cursor.execute(WRITE)


def test_the_first_refused_write_closes_the_connection(connect, standby):
    own = connect(standby)
    pid = pid_of(own)

    write(own)

    assert own.connection is None
    wait_until(lambda: not living(standby, [pid]), what="the server process ends")
    assert pid_of(own) != pid


def test_djangos_own_backend_keeps_it(connect, standby):
    own = connect(standby, backend=DjangosWrapper)
    pid = pid_of(own)

    write(own)

    assert pid_of(own) == pid


def test_a_refused_write_within_a_transaction_closes_it_too(use, standby):
    use(standby)
    pid = pid_of(connection)

    with transaction.atomic():
        with contextlib.suppress(OperationalError), transaction.atomic():
            write(connection)
        assert connection.needs_rollback

    assert pid_of(connection) != pid


def test_the_idle_connections_of_the_pool_leave_with_the_first_one(connect, standby):
    own = connect(standby, pool=POOL)
    own.pool.open(wait=True)
    pids = {idle.info.backend_pid for idle in own.pool._pool}

    write(own)

    assert len(pids) == POOL["max_size"]
    wait_until(lambda: not living(standby, pids), what="the idle connections are closed")
    assert pid_of(own) not in pids


def test_a_pool_is_not_emptied_by_each_of_many_refused_writes(connect, standby, monkeypatch):
    own = connect(standby, pool=POOL)
    own.pool.open(wait=True)
    monkeypatch.setattr(own_pool, "DRAIN_SECONDS", 3_600.0)
    write(own)
    drained_at = own.pool._drained_at

    write(own)

    assert own.connection is None
    assert own.pool._drained_at == drained_at


def test_a_connection_that_only_reads_from_a_standby_is_replaced_in_the_pool(connect, standby, monkeypatch):
    own = connect(standby, pool=POOL | {"min_size": 1, "max_size": 1})
    pid = pid_of(own)
    own.close()
    kept = pid_of(own)
    monkeypatch.setattr(own_connection, "READ_ONLY_SECONDS", 0.0)

    own.close()

    assert kept == pid
    assert pid_of(own) != pid


def test_a_connection_to_the_primary_stays_in_the_pool(connect, pair, monkeypatch):
    own = connect(pair[0], pool=POOL | {"min_size": 1, "max_size": 1})
    pid = pid_of(own)
    monkeypatch.setattr(own_connection, "READ_ONLY_SECONDS", 0.0)

    own.close()

    assert pid_of(own) == pid


def test_the_health_check_of_a_kept_connection_asks_whether_the_server_takes_writes(connect, pair):
    primary, standby = map(connect, pair)
    primary.ensure_connection()
    standby.ensure_connection()

    assert primary.is_usable()
    assert not standby.is_usable()


def test_it_is_not_ready_on_a_server_that_takes_no_writes(client, use, standby, monkeypatch):
    monkeypatch.setattr(health, "migrations", health._Migrations())
    use(standby)

    answer = client.get("/readyz")

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert (answer.json()["status"], answer.json()["parts"]["database"]) == ("unavailable", "read-only")
    assert connection.connection is None

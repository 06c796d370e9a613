"""Real threads over real connections for races, and their controls: the same scenario with a lock taken away."""

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import psycopg
import pytest
from django.conf import settings
from django.db import connection
from django.db.models import Model, QuerySet

from flashsale.core import rows
from flashsale.core.batching import batcher
from flashsale.core.statements import Query, Statement
from flashsale.tests.support.processes import WAIT_SECONDS

# As long as a Meeting waits for a thread that neither comes nor waits for a lock of the database.
MEETING_SECONDS = 30.0
POLL_SECONDS = 0.02
# Sessions that wait for a lock, with when their statement began.
WAITING = (
    "SELECT pid, query_start FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)
PRODUCTION_TIMEOUTS = settings.DATABASES["default"]["OPTIONS"]["options"]
NO_IDLE_TIMEOUT = "-c idle_in_transaction_session_timeout=0"
NO_TIMEOUTS = f"-c lock_timeout=0 -c statement_timeout=0 {NO_IDLE_TIMEOUT}"
LINE_SECONDS = {name: getattr(batcher, name) for name in ("WAIT_SECONDS", "LEAD_SECONDS", "BATCH_SECONDS")}

_racing: list[threading.Thread] = []


@contextlib.contextmanager
def patient() -> Iterator[None]:
    """Let new connections wait for locks, and requests for their turn, as long as a test waits.

    A race must be decided by locks, not by the timeouts of production on a busy machine. What a test has set itself
    stays.
    """
    unset = {name: WAIT_SECONDS for name, usual in LINE_SECONDS.items() if getattr(batcher, name) == usual}
    options = connection.settings_dict["OPTIONS"]
    with mock.patch.multiple(batcher, **unset), mock.patch.dict(options, {"options": NO_TIMEOUTS}):
        yield


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Run the calls in threads of their own, started together; return each one's result or exception, in order."""
    start = threading.Barrier(len(calls))
    results: list[Any] = [None] * len(calls)

    def run(index: int, call: Callable[[], Any]) -> None:
        try:
            start.wait(WAIT_SECONDS)
            results[index] = call()
        except Exception as error:
            results[index] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=pair, daemon=True) for pair in enumerate(calls)]
    with patient():
        _racing.extend(threads)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WAIT_SECONDS)
        _racing.clear()
    assert not any(thread.is_alive() for thread in threads), "a racing thread did not end"
    return results


def blocked() -> int:
    """Return how many sessions of the test database wait for a lock."""
    with other_connection(autocommit=True) as watcher:
        return len(watcher.execute(WAITING).fetchall())


def times(count: int, call: Callable[[], Any]) -> list[Callable[[], Any]]:
    """Return the call `count` times, for `at_once`."""
    return [call] * count


class Meeting:
    """A barrier between reading and writing for racing threads.

    Where a lock holds the others back, the thread at the barrier goes on as soon as they wait for that lock, or have
    ended. Where there is no lock, all threads have read before any of them writes, however slow they are.
    """

    def __init__(self, parties: int) -> None:
        self._parties = parties
        self._changed = threading.Condition()
        self._here = self._met = 0
        self._is_over = False

    def wait(self) -> None:
        """Wait for the others; once one wait timed out, no thread waits again."""
        with self._changed:
            if self._is_over:
                return
            self._here, before = self._here + 1, self._met
            if self._here == self._parties:
                self._here, self._met = 0, self._met + 1
                self._changed.notify_all()
                return
        self._wait_until(lambda: self._met > before)

    def _wait_until(self, have_met: Callable[[], bool]) -> None:
        deadline = time.monotonic() + MEETING_SECONDS
        waiting: frozenset[tuple[int, object]] = frozenset()
        with other_connection(autocommit=True) as watcher:
            while not (have_met() or self._is_over):
                # Counted first: a thread that ends meanwhile has released its locks before.
                alive = sum(thread.is_alive() for thread in _racing)
                before, waiting = waiting, frozenset(watcher.execute(WAITING).fetchall())
                # PostgreSQL's own short locks are waited for too: those of the race are still there at the next look.
                is_stuck = 0 < alive <= self._here + len(waiting & before)
                with self._changed:
                    if not have_met() and (is_stuck or time.monotonic() > deadline):
                        self._is_over = True
                    self._changed.wait_for(have_met, POLL_SECONDS)

    def after(self, function: Callable) -> Callable:
        """Return the function with a meeting after it."""

        def met(*args: Any, **kwargs: Any) -> Any:
            result = function(*args, **kwargs)
            self.wait()
            return result

        return met

    def after_query(self, function: Callable[..., Query]) -> Callable[..., Query]:
        """Return the function with a meeting after the query that it returns was fetched."""

        def query(*args: Any, **kwargs: Any) -> Query:
            query = function(*args, **kwargs)
            return Query(query.statements, self.after(query.parse))

        return query

    def before(self, function: Callable) -> Callable:
        """Return the function with a meeting before it."""

        def met(*args: Any, **kwargs: Any) -> Any:
            self.wait()
            return function(*args, **kwargs)

        return met


def without_row_locks(monkeypatch: pytest.MonkeyPatch, *models: type[Model]) -> None:
    """Let `select_for_update` and `rows.locking_query` on these models lock nothing."""
    original, original_query = QuerySet.select_for_update, rows.locking_query

    def select(self: QuerySet, *args: Any, **kwargs: Any) -> QuerySet:
        return self.all() if self.model in models else original(self, *args, **kwargs)

    def query(model: type[Model], *args: Any, **kwargs: Any) -> Query:
        query = original_query(model, *args, **kwargs)
        if model not in models:
            return query
        [locking] = query.statements
        sql = locking.sql.removesuffix(rows.SKIP_LOCKED)
        assert sql.endswith(rows.LOCK)
        return Query([Statement(sql.removesuffix(rows.LOCK), locking.params)], query.parse)

    monkeypatch.setattr(QuerySet, "select_for_update", select)
    monkeypatch.setattr(rows, "locking_query", query)


def without_advisory_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let locks on names lock nothing."""
    monkeypatch.setattr("flashsale.core.advisory_locks.locking_query", lambda names: Query([], lambda _: None))


def counts(results: list[Any]) -> dict[str, int]:
    """Return how often each type of result came out."""
    found: dict[str, int] = {}
    for result in results:
        found[type(result).__name__] = found.get(type(result).__name__, 0) + 1
    return found


def other_connection(**options) -> psycopg.Connection:
    """A connection to the same database, outside Django."""
    settings = connection.settings_dict
    address = {"host": settings["HOST"], "port": settings["PORT"], "user": settings["USER"]}
    return psycopg.connect(
        **{key: value for key, value in address.items() if value},
        password=settings["PASSWORD"] or None,
        dbname=settings["NAME"],
        **options,
    )


def replace(monkeypatch: pytest.MonkeyPatch, function: Callable, replacement: Callable) -> None:
    """Replace a function in every module of the project that defines or imports it; tests keep the original."""
    for name, module in list(sys.modules.items()):
        packages = name.split(".")
        if packages[0] in ("flashsale", "catalog", "checkout", "payments") and "tests" not in packages:
            for attribute, value in list(vars(module).items()):
                if value is function:
                    monkeypatch.setattr(module, attribute, replacement)

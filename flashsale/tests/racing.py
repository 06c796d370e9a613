"""Real threads over real connections for races, and their controls: the same scenario with a lock taken away."""

import contextlib
import threading
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.db.models import Model, QuerySet

JOIN_SECONDS = 30
MEETING_SECONDS = 1.0


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Run the calls in threads of their own, started together; return each one's result or exception, in order."""
    start = threading.Barrier(len(calls))
    results: list[Any] = [None] * len(calls)

    def run(index: int, call: Callable[[], Any]) -> None:
        try:
            start.wait(JOIN_SECONDS)
            results[index] = call()
        except Exception as error:
            results[index] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=pair, daemon=True) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(JOIN_SECONDS)
    assert not any(thread.is_alive() for thread in threads), "a racing thread did not end"
    return results


def times(count: int, call: Callable[[], Any]) -> list[Callable[[], Any]]:
    """Return the call `count` times, for `at_once`."""
    return [call] * count


class Meeting:
    """A place between looking and writing where racing threads wait for each other, for a bounded time.

    Where a lock keeps the others away, the one that came waits in vain and goes on alone: the lock has done its work.
    Where there is none, all of them have looked before any of them writes.
    """

    def __init__(self, parties: int) -> None:
        self._barrier = threading.Barrier(parties)

    def wait(self) -> None:
        """Wait for the others, at most `MEETING_SECONDS`; once somebody waited in vain nobody waits any more."""
        with contextlib.suppress(threading.BrokenBarrierError):
            self._barrier.wait(MEETING_SECONDS)

    def after(self, function: Callable) -> Callable:
        """Return the function with a meeting after it."""

        def met(*args: Any, **kwargs: Any) -> Any:
            result = function(*args, **kwargs)
            self.wait()
            return result

        return met

    def before(self, function: Callable) -> Callable:
        """Return the function with a meeting before it."""

        def met(*args: Any, **kwargs: Any) -> Any:
            self.wait()
            return function(*args, **kwargs)

        return met


def without_row_locks(monkeypatch: pytest.MonkeyPatch, *models: type[Model]) -> None:
    """Let `select_for_update` on these models lock nothing."""
    original = QuerySet.select_for_update

    def select(self: QuerySet, *args: Any, **kwargs: Any) -> QuerySet:
        return self.all() if self.model in models else original(self, *args, **kwargs)

    monkeypatch.setattr(QuerySet, "select_for_update", select)


def without_advisory_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let locks on names lock nothing."""
    monkeypatch.setattr("flashsale.core.advisory.lock", lambda names: None)


def counts(results: list[Any]) -> dict[str, int]:
    """Return how often each type of result came out."""
    found: dict[str, int] = {}
    for result in results:
        found[type(result).__name__] = found.get(type(result).__name__, 0) + 1
    return found


def other_connection(**options) -> psycopg.Connection:
    """A connection to the same database that belongs to nobody here."""
    settings = connection.settings_dict
    address = {"host": settings["HOST"], "port": settings["PORT"], "user": settings["USER"]}
    return psycopg.connect(
        **{key: value for key, value in address.items() if value},
        password=settings["PASSWORD"] or None,
        dbname=settings["NAME"],
        **options,
    )

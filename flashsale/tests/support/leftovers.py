"""pytest plugin: no module of tests leaves a process or a database session behind.

Both are ended, so that the test database can be dropped, and reported by the name of the test that started them: as an
error of the module's last test. Every program that a test starts inherits `RUN` and PYTEST_CURRENT_TEST.
"""

import bisect
import contextlib
import os
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from django.db import connection
from pytest_django import DjangoDbBlocker

from flashsale.tests.support.processes import RUN, TEST

# Programs that were asked to stop may need a moment on a busy machine.
GRACE_SECONDS = 30
SESSIONS = (
    "SELECT pid, backend_start, state, query FROM pg_stat_activity"
    " WHERE datname = %s AND backend_type = 'client backend' AND pid <> ALL(%s)"
)

_tests: list[tuple[datetime, str]] = []


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Record when each test began."""
    _tests.append((datetime.now(UTC), item.nodeid))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """Check after the fixtures of a module have ended."""
    result = yield
    if nextitem is None or nextitem.path != item.path:
        left = end_all(grace_seconds=GRACE_SECONDS)
        if left:
            pytest.fail(f"{item.path.name} left behind:\n" + "\n".join(left), pytrace=False)
    return result


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """The test database; nothing that a test left behind keeps it from being dropped."""
    yield
    with django_db_blocker.unblock():
        end_all(grace_seconds=0)


def end_all(*, grace_seconds: float) -> list[str]:
    """End what is still there after `grace_seconds`; returns a line for each process and session."""
    deadline = time.monotonic() + grace_seconds
    while (found := {**_processes(), **_sessions()}) and time.monotonic() < deadline:
        time.sleep(0.05)
    for pid in _processes():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    with _server() as server:
        for pid in _sessions():
            server.execute("SELECT pg_terminate_backend(pid, %s) FROM (VALUES (%s)) AS one (pid)", [30_000, pid])
    return sorted(found.values())


def _processes() -> dict[int, str]:
    """Return the living processes that tests of this run started, by id."""
    found = {}
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            environment = (folder / "environ").read_bytes().split(b"\0") if folder.name.isdigit() else []
            if f"{RUN}={os.environ.get(RUN)}".encode() in environment:
                names = [entry.decode() for entry in environment if entry.startswith(f"{TEST}=".encode())]
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if names and int(folder.name) != os.getpid():
                    found[int(folder.name)] = f"process {folder.name} of {names[0].partition('=')[2]}: {command}"
    return found


@contextlib.contextmanager
def _server() -> Iterator[psycopg.Connection]:
    """A connection to the tests' server, beside the test database."""
    at = connection.settings_dict
    address = {"host": at["HOST"], "port": at["PORT"], "user": at["USER"], "password": at["PASSWORD"]}
    known = {key: value for key, value in address.items() if value}
    with psycopg.connect(dbname="postgres", autocommit=True, **known) as opened:
        yield opened


def _sessions() -> dict[int, str]:
    """Return the sessions in the test database that are not this thread's, by the id of their backend."""
    own = [connection.connection.info.backend_pid] if connection.connection else []
    with _server() as server:
        rows = server.execute(SESSIONS, [connection.settings_dict["NAME"], own]).fetchall()
    return {pid: f"session {pid} of {_test_at(begun)}: {state}, {query[:200]!r}" for pid, begun, state, query in rows}


def _test_at(moment: datetime) -> str:
    """Return the test that ran at that moment."""
    place = bisect.bisect(_tests, (moment, chr(0x10FFFF)))
    return _tests[place - 1][1] if place else "no test"

"""Processes and database sessions that a test leaves behind are found, reported and ended."""

import os
import sys
import threading

import psycopg
import pytest
from django.db import connection

from flashsale.tests.support import leftovers
from flashsale.tests.support.processes import WAIT_SECONDS, start
from flashsale.tests.support.racing import other_connection

HERE = "flashsale/tests/test_leftovers.py::"


def test_a_leftover_process_is_reported_with_its_test_and_killed(request):
    left = start(sys.executable, "-c", "input()", environment={}, stdin=-1)

    [line] = leftovers.end_all(grace_seconds=0)

    assert line.startswith(f"process {left.pid} of {HERE}{request.node.name}")
    assert left.wait(WAIT_SECONDS) < 0
    assert leftovers.end_all(grace_seconds=0) == []


@pytest.mark.django_db(transaction=True)
def test_a_leftover_session_is_reported_with_its_test_and_terminated(request):
    left = other_connection()
    left.execute("SELECT 7")

    [line] = leftovers.end_all(grace_seconds=0)

    assert f"of {HERE}{request.node.name}: idle in transaction, 'SELECT 7'" in line
    with pytest.raises(psycopg.OperationalError):
        left.execute("SELECT 7")
    left.close()


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_a_thread_did_not_close_is_found():
    done = threading.Event()

    def look() -> None:
        connection.ensure_connection()
        begun.set()
        done.wait(WAIT_SECONDS)
        connection.close()

    begun, thread = threading.Event(), threading.Thread(target=look)
    thread.start()
    assert begun.wait(WAIT_SECONDS)

    found = leftovers.end_all(grace_seconds=0)
    done.set()
    thread.join(WAIT_SECONDS)

    assert len(found) == 1


def test_a_process_that_ends_within_the_grace_period_is_not_reported():
    start(sys.executable, "-c", "import time; time.sleep(0.5)", environment=dict(os.environ))

    assert leftovers.end_all(grace_seconds=WAIT_SECONDS) == []

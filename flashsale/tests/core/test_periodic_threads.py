"""Threads that do something again and again outlive every error, and finish at the end."""

import threading

import pytest

from flashsale.core import periodic_threads
from flashsale.core.periodic_threads import PeriodicThread
from flashsale.tests.support.processes import WAIT_SECONDS


class Failing(PeriodicThread):
    """Fails the first two times."""

    name = "failing"

    def __init__(self) -> None:
        super().__init__()
        self.runs, self.has_worked, self.has_finished = 0, threading.Event(), False

    def work(self) -> float:
        self.runs += 1
        if self.runs <= 2:
            raise ValueError(self.runs)
        self.has_worked.set()
        return WAIT_SECONDS

    def finish(self) -> None:
        self.has_finished = True
        raise ValueError


@pytest.mark.parametrize("fails", ["work", "the end of its connection"])
def test_a_thread_goes_on_after_an_error_and_finishes(monkeypatch, caplog, fails):
    monkeypatch.setattr(periodic_threads, "RETRY_SECONDS", 0)
    thread = Failing()
    if fails != "work":
        thread.runs, closed = 2, []

        def close() -> None:
            closed.append(None)
            if len(closed) == 1:
                thread.has_worked.clear()
                raise OSError

        monkeypatch.setattr(periodic_threads, "close_old_connections", close)

    thread.start()

    assert thread.has_worked.wait(WAIT_SECONDS)
    thread.stop()
    assert thread.has_finished
    assert "goes on after an error" in caplog.text

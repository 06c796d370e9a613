"""Threads of a web process that do something again and again, beside its requests."""

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable

from django.db import close_old_connections

# How long a process that ends waits for such a thread.
STOP_SECONDS = 3.0
# After how long the work is done again where it raised an error.
RETRY_SECONDS = 1.0

log = logging.getLogger(__name__)


class PeriodicThread(ABC):
    """Does its work as often as that asks for, and what is left of it when it is stopped."""

    name: str

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        # Whether the work failed the last time: only the first of several errors is logged.
        self._is_failing = False

    @abstractmethod
    def work(self) -> float:
        """Do the work; return after how many seconds to do it again. What it raises is logged, and it goes on."""

    @abstractmethod
    def finish(self) -> None:
        """Do what is left at the end. What it raises is logged."""

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run, args=(self._stop,), name=self.name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Let the thread finish, for at most `STOP_SECONDS`, and forget it: another one may be started."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(STOP_SECONDS)
        self._stop, self._thread, self._is_failing = threading.Event(), None, False

    reset = stop

    def _run(self, stop: threading.Event) -> None:
        seconds = 0.0
        while not stop.wait(seconds):
            next_in = self._attempt(self.work)
            seconds = RETRY_SECONDS if next_in is None else next_in
        self._attempt(self.finish)

    def _attempt(self, step: Callable[[], float | None]) -> float | None:
        """Return what a step returns, None where it raises."""
        try:
            try:
                return step()
            finally:
                # Returns the connection to the process's pool.
                close_old_connections()
        except Exception:
            log.exception("the thread %s goes on after an error", self.name)
            return None

"""The thread of a web process that stores its refusals: requests never wait for it, and it outlives errors."""

import logging
import threading

from django.db import close_old_connections

from checkout.refusal_counts import stored
from checkout.refusal_counts.counting import RefusalCounter, counter

WRITE_SECONDS = 1.0
# How long a process that ends waits for its last numbers to be stored.
STOP_SECONDS = 3.0

log = logging.getLogger(__name__)


class RefusalWriter:
    """Stores what was counted every `WRITE_SECONDS`, and once more when it is stopped."""

    def __init__(self, counter: RefusalCounter) -> None:
        self._counter = counter
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._is_failing = False

    def start(self) -> None:
        """Start the thread. Web processes do so; other processes refuse no claims of buyers."""
        self._thread = threading.Thread(target=self._run, args=(self._stop,), name="refusal-counts", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Store what is left, for at most `STOP_SECONDS`, and end the thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(STOP_SECONDS)
        self._stop, self._thread, self._is_failing = threading.Event(), None, False

    reset = stop

    def write(self) -> None:
        """Store what was counted, in one statement. On an error it is kept for the next time, and logged once."""
        counts = self._counter.take()
        if not counts:
            return
        try:
            stored.add(counts)
            self._is_failing = False
        except Exception as error:
            self._counter.give_back(counts)
            if not self._is_failing:
                log.warning("refusals could not be stored, and are kept for the next time: %s", error)
            self._is_failing = True

    def _run(self, stop: threading.Event) -> None:
        is_last = False
        while not is_last:
            is_last = stop.wait(WRITE_SECONDS)
            try:
                self.write()
            finally:
                # Returns the connection to the process's pool.
                close_old_connections()


writer = RefusalWriter(counter)

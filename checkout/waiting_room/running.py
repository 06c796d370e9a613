"""The thread of a web process that keeps queues moving: requests never wait for it, and it outlives errors."""

import logging
import threading
from datetime import datetime

from django.db import close_old_connections

from checkout.waiting_room import moving, queues
from checkout.waiting_room.counts import counter
from checkout.waiting_room.database_clock import database_clock
from checkout.waiting_room.queues import QueueView

RUN_SECONDS = 1.0
# How long a process that ends waits for its last counts to be stored.
STOP_SECONDS = 3.0

log = logging.getLogger(__name__)


class QueueRunner:
    """Stores this process's counts, reads the queues in progress, and moves those that are due, every second."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._is_failing = False

    def start(self) -> None:
        """Start the thread. Web processes do so: they mint tickets, and show what is served."""
        self._thread = threading.Thread(target=self._run, args=(self._stop,), name="waiting-room", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread, once it has stored what was counted, for at most `STOP_SECONDS`."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(STOP_SECONDS)
        self._stop, self._thread, self._is_failing = threading.Event(), None, False

    reset = stop

    def run_once(self) -> float:
        """Do it once; return after how many seconds to do it again. An error is logged once, until it works again."""
        try:
            counter.store()
            waiting = _move_due(queues.read_in_progress())
            self._is_failing = False
            return waiting
        except Exception as error:
            if not self._is_failing:
                log.warning("queues were not moved, and go on by the clock: %s", error)
            self._is_failing = True
            return RUN_SECONDS

    def _run(self, stop: threading.Event) -> None:
        seconds = 0.0
        while not stop.wait(seconds):
            try:
                seconds = self.run_once()
            finally:
                # Returns the connection to the process's pool.
                close_old_connections()
        try:
            counter.store()
        except Exception as error:
            log.warning("the last counts of tickets are lost: %s", error)
        finally:
            close_old_connections()


def _move_due(views: list[QueueView]) -> float:
    """Move the queues that are due; return the seconds until the next run: less where a sale starts before."""
    if not views:
        return RUN_SECONDS
    now = database_clock.now()
    due = [view for view in views if view.is_due_at(now)]
    for view in due:
        moving.move(view.product.pk)
    if due:
        queues.read_in_progress()
    return min([RUN_SECONDS, *_seconds_to_starts(views, now=now)])


def _seconds_to_starts(views: list[QueueView], *, now: datetime) -> list[float]:
    starts = [view.product.sale_starts_at for view in views if view.line is None and view.is_made]
    return [max(0.01, (start - now).total_seconds()) for start in starts if start is not None and start > now]


runner = QueueRunner()

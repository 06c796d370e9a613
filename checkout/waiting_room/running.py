"""The thread of a web process that keeps queues moving: requests never wait for it, and it outlives errors."""

import logging
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from checkout.waiting_room import moving, queues
from checkout.waiting_room.counts import counter
from checkout.waiting_room.database_clock import database_clock
from checkout.waiting_room.queues import QueueView
from flashsale.core.periodic_threads import PeriodicThread

RUN_SECONDS = 1.0

T = TypeVar("T")

log = logging.getLogger(__name__)


class QueueRunner(PeriodicThread):
    """Stores this process's counts, reads the queues in progress, and moves those that are due, every second.

    Web processes start it: they mint tickets, and show what is served.
    """

    name = "waiting-room"

    def work(self) -> float:
        """Do it once; return after how many seconds to do it again. Nothing that fails keeps the rest from being done.

        The first error is logged, until all of it works again.
        """
        errors: list[Exception] = []
        _attempt(counter.store, errors)
        views = _attempt(queues.read_in_progress, errors) or []
        is_moved = [_attempt(partial(moving.move, view.product.pk), errors) for view in _due(views)]
        if is_moved:
            views = _attempt(queues.read_in_progress, errors) or views
        if errors and not self._is_failing:
            log.warning("queues were not moved, and go on by the clock: %s", errors[0])
        self._is_failing = bool(errors)
        return min([RUN_SECONDS, *_seconds_to_starts(views)])

    def finish(self) -> None:
        try:
            counter.store()
        except Exception as error:
            log.warning("the last counts of tickets are lost: %s", error)


def _attempt(step: Callable[[], T], errors: list[Exception]) -> T | None:
    """Return what a step returns; where it raises, add its error to the others."""
    try:
        return step()
    except Exception as error:
        errors.append(error)
        return None


def _due(views: list[QueueView]) -> list[QueueView]:
    """Return the queues that are to be moved now."""
    return [view for view in views if view.is_due_at(database_clock.now())]


def _seconds_to_starts(views: list[QueueView]) -> list[float]:
    """Return in how many seconds queues are to be drawn: there the next run begins sooner."""
    starts = [view.product.sale_starts_at for view in views if view.line is None and view.is_made]
    seconds = [(start - database_clock.now()).total_seconds() for start in starts if start is not None]
    return [max(0.01, left) for left in seconds if left > 0]


runner = QueueRunner()

"""Bulkheads: how many requests of one kind a process serves at once, so that others find threads and connections.

A kind of request that waits for one row, or that floods the process, fills its own compartment and no other. Source of
the name: M. Nygard, Release It!, "Bulkheads".
"""

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterator

from django.db import connection

from flashsale.core import greenlets
from flashsale.core.transactions import Busy


class Bulkhead:
    """At most `limit()` requests are inside; `waiting()` more wait their turn, in order, for `wait_seconds` at most.

    Both are read for each entry, so that they may come from the settings.
    """

    def __init__(
        self, limit: Callable[[], int], *, waiting: Callable[[], int] = lambda: 0, wait_seconds: float = 0
    ) -> None:
        self._limit = limit
        self._waiting = waiting
        self._wait_seconds = wait_seconds
        self._mutex = threading.Lock()
        self._inside = 0
        self._queue: deque[greenlets.Event] = deque()

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Be inside meanwhile. Raises `Busy` when there is no room, or none in time."""
        self._enter()
        try:
            yield
        finally:
            self.leave()

    def place(self) -> "Place":
        """Return a place for one request, which it takes and leaves later, perhaps in another thread."""
        return Place(self)

    def try_enter(self) -> bool:
        """Be inside from now on, if there is room at once; say whether there was."""
        with self._mutex:
            has_room = self._inside < self._limit() and not self._queue
            self._inside += has_room
            return has_room

    def _enter(self) -> None:
        with self._mutex:
            if self._inside < self._limit() and not self._queue:
                self._inside += 1
                return
            if len(self._queue) >= self._waiting():
                raise Busy("Too many at once; nothing was done.")
            turn = greenlets.new_event()
            self._queue.append(turn)
        self._wait(turn)

    def _wait(self, turn: greenlets.Event) -> None:
        """Wait until a thread that leaves hands its place over."""
        try:
            if greenlets.current() is None and not connection.in_atomic_block:
                # Waiting needs no connection: return it to the pool.
                connection.close()
            if turn.wait(self._wait_seconds):
                return
        except BaseException:
            if not self._give_up(turn):
                self.leave()
            raise
        if self._give_up(turn):
            raise Busy("It was not this request's turn in time; nothing was done.")

    def _give_up(self, turn: greenlets.Event) -> bool:
        """Leave the queue; False when the place was handed over meanwhile."""
        with self._mutex:
            if turn in self._queue:
                self._queue.remove(turn)
                return True
            return False

    def leave(self) -> None:
        """Hand the place over to the next one that waits."""
        with self._mutex:
            if self._queue:
                self._queue.popleft().set()
            else:
                self._inside -= 1


class Place:
    """The place of one request in a bulkhead: a batch takes it for the request, if it turns out to need one."""

    def __init__(self, bulkhead: Bulkhead) -> None:
        self._bulkhead = bulkhead
        self._mutex = threading.Lock()
        self._is_taken = self._is_over = False

    def take(self) -> bool:
        """Take the place, unless the request is over; say whether it has it, also when this is called again."""
        with self._mutex:
            if not self._is_taken and not self._is_over:
                self._is_taken = self._bulkhead.try_enter()
            return self._is_taken

    def leave(self) -> None:
        """End the request's use of the bulkhead."""
        with self._mutex:
            is_left, self._is_taken, self._is_over = self._is_taken, False, True
        if is_left:
            self._bulkhead.leave()

"""Leader-follower batching, known as group commit: concurrent requests of one process share one transaction.

The first request for a key becomes the leader of that key's queue and is processed at once. Requests for the same key
that arrive meanwhile wait in the queue. When the leader is done, the first waiting request becomes the next leader: it
processes all waiting requests together, in their order, and wakes each with a result or an exception of its own. A
leader that is a thread does so itself. For a leader that is a greenlet (see `flashsale.core.greenlets`) a worker thread
does, and goes on with the next leader as long as requests wait. Several leaders of one key may run at once, in other
processes or after a slow leader was replaced: batches exclude each other by locks in the database only.

Source of the idea: https://www.postgresql.org/docs/current/runtime-config-wal.html#GUC-COMMIT-DELAY
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Generic

from django.db import connection

from flashsale.core import greenlets
from flashsale.core.batch_processing import (
    Admit,
    Compatible,
    Key,
    Process,
    Request,
    Result,
    is_fault,
    is_fault_or_lock_timeout,
    process_or_isolate,
)
from flashsale.core.transactions import Busy, OutcomeUnknown

__all__ = ["Admit", "Batch", "Batcher", "is_fault", "is_fault_or_lock_timeout", "process_or_isolate"]

# The most requests of one batch.
MAX_BATCH = 64
# How long a request waits to be taken into a batch.
WAIT_SECONDS = 3.0
# How long it then waits for the batch's end: longer than all timeouts of the database together.
BATCH_SECONDS = 30.0
# A leader that takes longer than this (its connection hangs) is replaced by the next request that arrives.
LEAD_SECONDS = 3.0


class _Waiter(Generic[Request, Result]):
    """One request in a queue; its greenlet or thread waits until `wake` is called."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.leads = False
        self.result: Result | Exception | None = None
        # The event loop whose worker threads process a batch for this leader; None: its own thread does.
        self.loop = greenlets.current()
        self._woken = greenlets.new_event()

    def wake(self) -> None:
        """Wake it; a second call before it runs has no effect."""
        self._woken.set()

    def wait(self, seconds: float) -> bool:
        """Wait to be woken; returns False when `seconds` passed."""
        return self._woken.wait(seconds)


class _Queue(Generic[Request, Result]):
    """The waiting requests of one key, and its leader since `led_since` (monotonic seconds)."""

    def __init__(self) -> None:
        self.waiting: deque[_Waiter[Request, Result]] = deque()
        self.leader: _Waiter[Request, Result] | None = None
        self.led_since = 0.0


class Batch(Generic[Request, Result]):
    """The requests that one leader processes, in order."""

    def __init__(
        self, queue: _Queue[Request, Result], mutex: threading.Lock, admissible: Callable[[Request], bool]
    ) -> None:
        self.waiters: list[_Waiter[Request, Result]] = []
        self._queue = queue
        self._mutex = mutex
        self._admissible = admissible
        self._taken = 0

    @property
    def requests(self) -> list[Request]:
        """All requests of the batch, the admitted ones last."""
        return [waiter.request for waiter in self.waiters]

    def take_waiting(self, compatible: Compatible[Request]) -> None:
        """Take the waiting requests that are compatible with those taken before; the others keep their places."""
        with self._mutex:
            waiting = self._queue.waiting
            for _ in range(len(waiting)):
                waiter = waiting.popleft()
                if len(self.waiters) < MAX_BATCH and compatible(waiter.request, self.requests):
                    self.waiters.append(waiter)
                else:
                    waiting.append(waiter)
            self._taken = len(self.waiters)

    def admit(self) -> list[Request]:
        """Add waiting requests, up to the first that is not admissible: no request overtakes another (see `Admit`)."""
        with self._mutex:
            waiting = self._queue.waiting
            while waiting and len(self.waiters) < MAX_BATCH and self._admissible(waiting[0].request):
                self.waiters.append(waiting.popleft())
        return self.requests[self._taken :]


class Batcher(Generic[Key, Request, Result]):
    """The queues of one process, one for each key. The mutex is held for a few instructions, never while waiting.

    `compatible` says whether a request may be in one batch with others, `admissible` whether it may be admitted to a
    batch that is being processed, `max_in_flight` how many requests may wait or be processed at once. Where `isolates`
    is true of an exception of a whole batch, each of its requests is processed again, alone.
    """

    def __init__(
        self,
        process: Process[Key, Request, Result],
        *,
        compatible: Compatible[Request] = lambda _request, _others: True,
        admissible: Callable[[Request], bool] = lambda _request: True,
        isolates: Callable[[Exception], bool] = lambda _error: False,
        max_in_flight: Callable[[], int] | None = None,
    ) -> None:
        self._process = process
        self._compatible = compatible
        self._admissible = admissible
        self._isolates = isolates
        self._max_in_flight = max_in_flight
        self._mutex = threading.Lock()
        self._queues: dict[Key, _Queue[Request, Result]] = {}
        self._in_flight = 0

    def submit(self, key: Key, request: Request) -> Result:
        """Return the request's result, or raise its exception.

        Raises `Busy` when too many are in flight or the request was not taken into a batch in time, and
        `OutcomeUnknown` when its leader was stopped.
        """
        waiter: _Waiter[Request, Result] = _Waiter(request)
        queue = self._join(key, waiter)
        try:
            if not waiter.leads or waiter.loop is not None:
                self._wait(queue, waiter)
            if waiter.leads and waiter.loop is None:
                self._lead(key, queue, waiter)
            if waiter.result is None:
                # A worker thread processes it, or this leader was replaced before it began.
                _wait_for_result(waiter)
        except BaseException:
            self._leave(key, queue, waiter)
            raise
        finally:
            with self._mutex:
                self._in_flight -= 1
        return self._result_of(waiter)

    def _result_of(self, waiter: _Waiter[Request, Result]) -> Result:
        """Return or raise the result. The local variable is deleted: with the traceback it would be a cycle."""
        result, waiter.result = waiter.result, None
        try:
            if isinstance(result, Exception):
                raise result
            if result is None:
                raise TypeError("a batch returned None for a request")
            return result
        finally:
            del result

    def _join(self, key: Key, waiter: _Waiter[Request, Result]) -> _Queue[Request, Result]:
        """Join the queue, and become its leader when it has none. Raises `Busy`."""
        with self._mutex:
            if self._max_in_flight is not None and self._in_flight >= self._max_in_flight():
                raise Busy("Too many at once; nothing was done.")
            self._in_flight += 1
            queue = self._queues.setdefault(key, _Queue())
            queue.waiting.append(waiter)
            is_led = queue.leader is not None and time.monotonic() - queue.led_since <= LEAD_SECONDS
            leader = None if is_led else _appoint_first(queue)
        if leader is not None and (leader is not waiter or waiter.loop is not None):
            self._begin(key, queue, leader)
        return queue

    def _wait(self, queue: _Queue[Request, Result], waiter: _Waiter[Request, Result]) -> None:
        if waiter.loop is None and not connection.in_atomic_block:
            # Waiting needs no connection: return it to the pool.
            connection.close()
        if waiter.wait(WAIT_SECONDS):
            return
        with self._mutex:
            # A leader whose own thread is to process it was just woken; no worker thread may have had time for one.
            if waiter in queue.waiting and not (waiter.leads and waiter.loop is None):
                queue.waiting.remove(waiter)
                raise Busy("It was not this request's turn in time; nothing was done.")
        _wait_for_result(waiter)

    def _leave(self, key: Key, queue: _Queue[Request, Result], waiter: _Waiter[Request, Result]) -> None:
        """Remove a request that was stopped while it waited, so that it does not block the queue."""
        with self._mutex:
            if waiter in queue.waiting:
                queue.waiting.remove(waiter)
            successor = self._successor_of(key, queue, waiter)
        if successor is not None:
            self._begin(key, queue, successor)

    def _begin(self, key: Key, queue: _Queue[Request, Result], leader: _Waiter[Request, Result]) -> None:
        """Let an appointed leader begin: in a worker thread, or in its own thread, which waits."""
        if leader.loop is None:
            leader.wake()
        else:
            leader.loop.work(self._lead, key, queue, leader)

    def _lead(self, key: Key, queue: _Queue[Request, Result], leader: _Waiter[Request, Result] | None) -> None:
        """Process the leader's batch, and those of its successors that are greenlets of the same event loop."""
        while leader is not None:
            leader = self._process_as(leader, key, queue)
            if leader is not None and connection.errors_occurred:
                # A broken connection stays broken: let the pool replace it.
                connection.close()

    def _process_as(
        self, leader: _Waiter[Request, Result], key: Key, queue: _Queue[Request, Result]
    ) -> _Waiter[Request, Result] | None:
        """Process the waiting requests as a batch, and wake them; return the successor that this thread leads for."""
        batch: Batch[Request, Result] = Batch(queue, self._mutex, self._admissible)
        is_processed = False
        try:
            batch.take_waiting(self._compatible)
            if batch.waiters:
                self._process_batch(key, batch)
            is_processed = True
        finally:
            with self._mutex:
                successor = self._successor_of(key, queue, leader)
            if successor is not None and not (is_processed and successor.loop is leader.loop is not None):
                self._begin(key, queue, successor)
                successor = None
            for waiter in batch.waiters:
                if waiter.result is None:
                    waiter.result = OutcomeUnknown("the leader that processed this request was stopped")
                if waiter is not leader or waiter.loop is not None:
                    waiter.wake()
        return successor

    def _process_batch(self, key: Key, batch: Batch[Request, Result]) -> None:
        results = process_or_isolate(self._process, key, batch, isolates=self._isolates)
        for waiter, result in zip(batch.waiters, results, strict=True):
            waiter.result = result
        # This frame is part of the exceptions' tracebacks.
        del results

    def _successor_of(
        self, key: Key, queue: _Queue[Request, Result], leader: _Waiter[Request, Result]
    ) -> _Waiter[Request, Result] | None:
        """Appoint the first waiting request, or delete the empty queue. A leader that was replaced does neither.

        The caller holds the mutex.
        """
        if queue.leader is not leader:
            return None
        queue.leader = None
        if queue.waiting:
            return _appoint_first(queue)
        del self._queues[key]
        return None


def _appoint_first(queue: _Queue[Request, Result]) -> _Waiter[Request, Result]:
    first = queue.waiting[0]
    first.leads, queue.leader, queue.led_since = True, first, time.monotonic()
    return first


def _wait_for_result(waiter: _Waiter[Any, Any]) -> None:
    if not waiter.wait(BATCH_SECONDS):
        raise OutcomeUnknown("the leader that processes this request does not answer")

"""The queues of one process, and how their leaders follow each other."""

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any, Generic

from django.db import connection

from flashsale.core.batching.processing import Compatible, Key, Process, Request, Result, process_or_isolate
from flashsale.core.batching.queues import MAX_BATCH, Batch, Queue, Waiter, appoint_first
from flashsale.core.transactions import Busy, OutcomeUnknown

# How long a request waits to be taken into a batch.
WAIT_SECONDS = 3.0
# How long it then waits for the batch's end: longer than all timeouts of the database together.
BATCH_SECONDS = 30.0
# A leader that takes longer than this (its connection hangs) is replaced by the next request that arrives.
LEAD_SECONDS = 3.0
# A leader waits so long for more requests, where at least so many others are in progress that may come to its queue.
GATHER_SECONDS = 0.005
SIBLINGS = 3


class Batcher(Generic[Key, Request, Result]):
    """The queues of one process, one for each key. The mutex is held for a few instructions, never while waiting.

    `compatible` says whether a request may be in one batch with others, `admissible` whether it may be admitted to a
    batch that is being processed, `max_in_flight` how many requests may wait or be processed at once. Where `isolates`
    is true of an exception of a whole batch, each of its requests is processed again, alone. With `gathers` a leader
    waits for more requests while its process is busy.
    """

    def __init__(
        self,
        process: Process[Key, Request, Result],
        *,
        compatible: Compatible[Request] = lambda _request, _others: True,
        admissible: Callable[[Request], bool] = lambda _request: True,
        isolates: Callable[[Exception], bool] = lambda _error: False,
        max_in_flight: Callable[[], int] | None = None,
        gathers: bool = False,
    ) -> None:
        self._process = process
        self._compatible = compatible
        self._admissible = admissible
        self._isolates = isolates
        self._max_in_flight = max_in_flight
        self._gathers = gathers
        self._mutex = threading.Lock()
        self._queues: dict[Key, Queue[Request, Result]] = {}
        self._in_flight = 0

    def submit(self, key: Key, request: Request) -> Result:
        """Return the request's result, or raise its exception.

        Raises `Busy` when too many are in flight or the request was not taken into a batch in time, and
        `OutcomeUnknown` when its leader was stopped.
        """
        waiter: Waiter[Request, Result] = Waiter(request)
        queue, leader = self._join(key, waiter)
        try:
            if leader is not None and (leader is not waiter or waiter.loop is not None):
                self._begin(key, queue, leader)
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

    def _result_of(self, waiter: Waiter[Request, Result]) -> Result:
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

    def _join(
        self, key: Key, waiter: Waiter[Request, Result]
    ) -> tuple[Queue[Request, Result], Waiter[Request, Result] | None]:
        """Join the queue; return it, and the leader that was appointed where it had none. Raises `Busy`."""
        with self._mutex:
            if self._max_in_flight is not None and self._in_flight >= self._max_in_flight():
                raise Busy("Too many at once; nothing was done.")
            self._in_flight += 1
            queue = self._queues.setdefault(key, Queue())
            queue.waiting.append(waiter)
            is_led = queue.leader is not None and time.monotonic() - queue.led_since <= LEAD_SECONDS
            return queue, None if is_led else appoint_first(queue)

    def _wait(self, queue: Queue[Request, Result], waiter: Waiter[Request, Result]) -> None:
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

    def _leave(self, key: Key, queue: Queue[Request, Result], waiter: Waiter[Request, Result]) -> None:
        """Remove a request that was stopped while it waited, so that it does not block the queue."""
        with self._mutex:
            if waiter in queue.waiting:
                queue.waiting.remove(waiter)
            successor = self._successor_of(key, queue, waiter)
        if successor is not None:
            self._begin(key, queue, successor)

    def _begin(self, key: Key, queue: Queue[Request, Result], leader: Waiter[Request, Result]) -> None:
        """Let an appointed leader begin: in a worker thread, or in its own thread, which waits."""
        if leader.loop is None:
            leader.wake()
        else:
            leader.loop.work(self._lead, key, queue, leader)

    def _lead(self, key: Key, queue: Queue[Request, Result], leader: Waiter[Request, Result] | None) -> None:
        """Process the leader's batch, and those of its successors that are greenlets of the same event loop."""
        while leader is not None:
            leader = self._process_as(leader, key, queue)
            if leader is not None and connection.errors_occurred:
                # A broken connection stays broken: let the pool replace it.
                with contextlib.suppress(Exception):
                    connection.close()

    def _process_as(
        self, leader: Waiter[Request, Result], key: Key, queue: Queue[Request, Result]
    ) -> Waiter[Request, Result] | None:
        """Process the waiting requests as a batch, and wake them; return the successor that this thread leads for."""
        batch: Batch[Request, Result] = Batch(queue, self._mutex, self._admissible)
        is_processed = False
        try:
            self._gather(leader, queue)
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

    def _gather(self, leader: Waiter[Request, Result], queue: Queue[Request, Result]) -> None:
        """Wait for more requests if others of the leader's event loop are in progress, outside this batcher.

        Not where as many wait as a batch takes.

        A transaction costs almost the same for one request and for ten, so the wait costs a busy process no time: it
        answers more requests, and each of them sooner.
        """
        loop = leader.loop
        if not self._gathers or loop is None or len(queue.waiting) >= MAX_BATCH:
            return
        if loop.running - self._in_flight >= SIBLINGS:
            # Waiting needs no connection.
            connection.close()
            time.sleep(GATHER_SECONDS)

    def _process_batch(self, key: Key, batch: Batch[Request, Result]) -> None:
        results = process_or_isolate(self._process, key, batch, isolates=self._isolates)
        for waiter, result in zip(batch.waiters, results, strict=True):
            waiter.result = result
        # This frame is part of the exceptions' tracebacks.
        del results

    def _successor_of(
        self, key: Key, queue: Queue[Request, Result], leader: Waiter[Request, Result]
    ) -> Waiter[Request, Result] | None:
        """Appoint the first waiting request, or delete the empty queue. A leader that was replaced does neither.

        The caller holds the mutex.
        """
        if queue.leader is not leader:
            return None
        queue.leader = None
        if queue.waiting:
            return appoint_first(queue)
        del self._queues[key]
        return None


def _wait_for_result(waiter: Waiter[Any, Any]) -> None:
    if not waiter.wait(BATCH_SECONDS):
        raise OutcomeUnknown("the leader that processes this request does not answer")

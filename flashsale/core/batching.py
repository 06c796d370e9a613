"""Group commit for requests: those of one process that want the same thing at the same moment are decided together.

A request that finds nobody before it is the *leader* and decides its own. Whoever comes while it does waits in line;
when it is done, the first in line leads: it decides everybody who waits, in their order, and wakes each with a result
or an error of their own. There is no background thread. Leaders do not rely on being alone: what they decide about is
locked, or only read, where it is kept.
"""

import contextlib
import copy
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

from django.db import connection

from flashsale.core.refusals import Refusal
from flashsale.core.transactions import LOCK_NOT_AVAILABLE, Busy, OutcomeUnknown, is_transient, sqlstate_of

# How many requests are decided together at most.
MAX_BATCH = 64
# How long a request waits for its turn, and how much longer for the end of what decides it: more than all the timeouts
# of the database together.
WAIT_SECONDS = 3.0
TAKEN_SECONDS = 30.0
# A leader that takes longer than this, because its connection hangs, leaves the line to the next who comes.
LEAD_SECONDS = 3.0

Request = TypeVar("Request")
Result = TypeVar("Result")


class _Waiter(Generic[Request, Result]):
    """One request in line; its thread sleeps on `_woken`, which whoever has news for it releases."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.leads = False
        self.result: Result | Exception | None = None
        self._woken = threading.Lock()
        self._woken.acquire()

    def wake(self) -> None:
        """Give news, or more of them to who has not noticed the first yet."""
        with contextlib.suppress(RuntimeError):
            self._woken.release()

    def sleep(self, seconds: float) -> bool:
        """Wait for news; says whether there are any."""
        return self._woken.acquire(timeout=seconds)


class _Queue(Generic[Request, Result]):
    """Those who want the same thing, and since when (monotonic seconds) who leads them does."""

    def __init__(self) -> None:
        self.waiting: deque[_Waiter[Request, Result]] = deque()
        self.leader: _Waiter[Request, Result] | None = None
        self.led_since = 0.0


class Batch(Generic[Request, Result]):
    """The requests that are decided now, in order; more may be let in while they are."""

    def __init__(self, queue: _Queue[Request, Result], mutex: threading.Lock) -> None:
        self.waiters: list[_Waiter[Request, Result]] = []
        self._line = queue
        self._mutex = mutex

    @property
    def requests(self) -> list[Request]:
        """Everybody who is in."""
        return [waiter.request for waiter in self.waiters]

    def take_waiting(self, compatible: Callable[[Request, list[Request]], bool]) -> None:
        """Let those in who wait, as far as they fit beside those who are in; the others keep their places in line."""
        with self._mutex:
            waiting = self._line.waiting
            for _ in range(len(waiting)):
                waiter = waiting.popleft()
                if len(self.waiters) < MAX_BATCH and compatible(waiter.request, self.requests):
                    self.waiters.append(waiter)
                else:
                    waiting.append(waiter)

    def admit(self, may_come: Callable[[Request], bool]) -> None:
        """Let those in who came meanwhile, up to the first who may not: nobody is overtaken."""
        with self._mutex:
            waiting = self._line.waiting
            while waiting and len(self.waiters) < MAX_BATCH and may_come(waiting[0].request):
                self.waiters.append(waiting.popleft())


class Batcher(Generic[Request, Result]):
    """The lines of one process, one for each key. The mutex is held for a few instructions, never while waiting.

    `decide(key, batch)` returns a result or an exception for each request that is in the batch when it returns, or
    raises an exception for all. `compatible` says whether a request may join those of a batch, `max_in_flight` how many
    requests may wait or run at once.
    """

    def __init__(
        self,
        decide: Callable[[Hashable, Batch[Request, Result]], Sequence[Result | Exception]],
        *,
        compatible: Callable[[Request, list[Request]], bool] = lambda _request, _others: True,
        max_in_flight: Callable[[], int] | None = None,
    ) -> None:
        self._decide = decide
        self._compatible = compatible
        self._max_in_flight = max_in_flight
        self._mutex = threading.Lock()
        self._queues: dict[Hashable, _Queue[Request, Result]] = {}
        self._in_flight = 0

    def submit(self, key: Hashable, request: Request) -> Result:
        """Return the request's result, or raise its exception.

        Raises `Busy` when there is no room or no turn in time, `OutcomeUnknown` when its leader is lost.
        """
        waiter: _Waiter[Request, Result] = _Waiter(request)
        queue = self._join(key, waiter)
        try:
            if not waiter.leads:
                self._wait(queue, waiter)
            if waiter.leads:
                self._run_leader(key, queue, waiter)
            if waiter.result is None:
                # A leader that was replaced before it began: its successor has its request.
                _wait_for_result(waiter)
        except BaseException:
            self._leave(key, queue, waiter)
            raise
        finally:
            with self._mutex:
                self._in_flight -= 1
        return self._outcome(waiter)

    def _outcome(self, waiter: _Waiter) -> Result:
        """Return or raise the result. No local variable keeps an exception whose traceback would keep the variable."""
        result, waiter.result = waiter.result, None
        try:
            if isinstance(result, Exception):
                raise result
            return result
        finally:
            del result

    def _join(self, key: Hashable, waiter: _Waiter) -> _Queue:
        """Join the line, and lead it when nobody does. Raises `Busy`."""
        with self._mutex:
            if self._max_in_flight is not None and self._in_flight >= self._max_in_flight():
                raise Busy("Too many at once; nothing was done.")
            self._in_flight += 1
            queue = self._queues.setdefault(key, _Queue())
            queue.waiting.append(waiter)
            if queue.leader is None or time.monotonic() - queue.led_since > LEAD_SECONDS:
                _appoint_first(queue, awake=waiter)
            return queue

    def _wait(self, queue: _Queue, waiter: _Waiter) -> None:
        if not connection.in_atomic_block:
            # Who waits needs no connection; those who lead do, and those who pay.
            connection.close()
        if waiter.sleep(WAIT_SECONDS):
            return
        with self._mutex:
            if not waiter.leads and waiter in queue.waiting:
                queue.waiting.remove(waiter)
                raise Busy("It was not this request's turn in time; nothing was done.")
        _wait_for_result(waiter)

    def _leave(self, key: Hashable, queue: _Queue, waiter: _Waiter) -> None:
        """Let whoever was stopped while it waited stop nobody behind it."""
        with self._mutex:
            if waiter in queue.waiting:
                queue.waiting.remove(waiter)
        self._pass_leadership(key, queue, waiter)

    def _run_leader(self, key: Hashable, queue: _Queue, leader: _Waiter) -> None:
        batch: Batch[Request, Result] = Batch(queue, self._mutex)
        try:
            batch.take_waiting(self._compatible)
            if batch.waiters:
                self._decide_batch(key, batch)
        finally:
            self._pass_leadership(key, queue, leader)
            for waiter in batch.waiters:
                if waiter.result is None:
                    waiter.result = OutcomeUnknown("whoever decided this request was stopped")
                if waiter is not leader:
                    waiter.wake()

    def _decide_batch(self, key: Hashable, batch: Batch) -> None:
        try:
            results = self._decide(key, batch)
        except Exception as error:
            results = [_own(error) for _ in batch.waiters]
        for waiter, result in zip(batch.waiters, results, strict=True):
            waiter.result = result
        # This frame is part of the exceptions' tracebacks.
        del results

    def _pass_leadership(self, key: Hashable, queue: _Queue, leader: _Waiter) -> None:
        """Let the first in line lead, or forget the line. Who was replaced meanwhile hands nothing over."""
        with self._mutex:
            if queue.leader is not leader:
                return
            queue.leader = None
            if queue.waiting:
                _appoint_first(queue)
            else:
                del self._queues[key]


def batch_else_individually(
    requests: list[Request], decide: Callable[[list[Request]], Sequence[Result]], alone: Callable[[Request], Result]
) -> Sequence[Result | Exception]:
    """Return what each of the requests gets when they are decided together.

    A failure that is not a matter of time may be one's own, and so may a lock that did not come, where they lock
    different rows: then nothing was done, and each is decided alone. When a second one finds no lock either, the rest
    get what it got: they would wait for it one after the other.
    """
    if len(requests) == 1:
        return [alone(requests[0])]
    try:
        return decide(requests)
    except Exception as error:
        is_ones_own = not is_transient(error) or _is_without_lock(error)
        if isinstance(error, OutcomeUnknown) or not is_ones_own:
            raise
    results: list[Result | Exception] = []
    for request in requests:
        without_lock = [result for result in results if _is_without_lock(result)]
        results.append(_own(without_lock[1]) if len(without_lock) > 1 else capture(alone, request))
    return results


def _is_without_lock(result: object) -> bool:
    return isinstance(result, Exception) and sqlstate_of(result) == LOCK_NOT_AVAILABLE


def capture(alone: Callable[[Request], Result], request: Request) -> Result | Exception:
    """Return what one request gets alone, or the exception that it raises."""
    try:
        return alone(request)
    except Refusal as refusal:
        return refusal.as_value()
    except Exception as error:
        return error


def _appoint_first(queue: _Queue, *, awake: _Waiter | None = None) -> None:
    first = queue.waiting[0]
    first.leads, queue.leader, queue.led_since = True, first, time.monotonic()
    if first is not awake:
        first.wake()


def _wait_for_result(waiter: _Waiter) -> None:
    if not waiter.sleep(TAKEN_SECONDS):
        raise OutcomeUnknown("whoever decided this request did not come back")


def _own(error: Exception) -> Exception:
    """Return a copy that one thread can raise, while others raise theirs.

    A transient error happens to every request of a crowd: its cause goes without the traceback, whose frames would keep
    the whole batch in memory until the garbage collector runs.
    """
    own = copy.copy(error)
    own.__cause__ = error.__cause__
    if own.__cause__ is not None and is_transient(error):
        own.__cause__.__traceback__ = None
    return own

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
from flashsale.core.transactions import LOCK_NOT_AVAILABLE, Busy, OutcomeUnknown, is_passing, sqlstate_of

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


class _Ticket(Generic[Request, Result]):
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


class _Line(Generic[Request, Result]):
    """Those who want the same thing, and since when (monotonic seconds) who leads them does."""

    def __init__(self) -> None:
        self.waiting: deque[_Ticket[Request, Result]] = deque()
        self.leader: _Ticket[Request, Result] | None = None
        self.led_since = 0.0


class Batch(Generic[Request, Result]):
    """The requests that are decided now, in order; more may be let in while they are."""

    def __init__(self, line: _Line[Request, Result], mutex: threading.Lock) -> None:
        self.tickets: list[_Ticket[Request, Result]] = []
        self._line = line
        self._mutex = mutex

    @property
    def requests(self) -> list[Request]:
        """Everybody who is in."""
        return [ticket.request for ticket in self.tickets]

    def fill(self, fits: Callable[[Request, list[Request]], bool]) -> None:
        """Let those in who wait, as far as they fit beside those who are in; the others keep their places in line."""
        with self._mutex:
            waiting = self._line.waiting
            for _ in range(len(waiting)):
                ticket = waiting.popleft()
                if len(self.tickets) < MAX_BATCH and fits(ticket.request, self.requests):
                    self.tickets.append(ticket)
                else:
                    waiting.append(ticket)

    def let_latecomers_in(self, may_come: Callable[[Request], bool]) -> None:
        """Let those in who came meanwhile, up to the first who may not: nobody is overtaken."""
        with self._mutex:
            waiting = self._line.waiting
            while waiting and len(self.tickets) < MAX_BATCH and may_come(waiting[0].request):
                self.tickets.append(waiting.popleft())


class Together(Generic[Request, Result]):
    """The lines of one process, one for each key. The mutex is held for a few instructions, never while waiting.

    `decide(key, batch)` returns a result or an exception for each request that is in the batch when it returns, or
    raises an exception for all. `fits` says who may be decided beside whom, `room` how many may be inside at once.
    """

    def __init__(
        self,
        decide: Callable[[Hashable, Batch[Request, Result]], Sequence[Result | Exception]],
        *,
        fits: Callable[[Request, list[Request]], bool] = lambda _request, _others: True,
        room: Callable[[], int] | None = None,
    ) -> None:
        self._decide = decide
        self._fits = fits
        self._room = room
        self._mutex = threading.Lock()
        self._lines: dict[Hashable, _Line[Request, Result]] = {}
        self._inside = 0

    def ask(self, key: Hashable, request: Request) -> Result:
        """Return the request's result, or raise its exception.

        Raises `Busy` when there is no room or no turn in time, `OutcomeUnknown` when its leader is lost.
        """
        ticket: _Ticket[Request, Result] = _Ticket(request)
        line = self._join(key, ticket)
        try:
            if not ticket.leads:
                self._wait(line, ticket)
            if ticket.leads:
                self._lead(key, line, ticket)
            if ticket.result is None:
                # A leader that was replaced before it began: its successor has its request.
                _wait_for_result(ticket)
        except BaseException:
            self._leave(key, line, ticket)
            raise
        finally:
            with self._mutex:
                self._inside -= 1
        return self._outcome(ticket)

    def _outcome(self, ticket: _Ticket) -> Result:
        """Return or raise the result. No local variable keeps an exception whose traceback would keep the variable."""
        result, ticket.result = ticket.result, None
        try:
            if isinstance(result, Exception):
                raise result
            return result
        finally:
            del result

    def _join(self, key: Hashable, ticket: _Ticket) -> _Line:
        """Join the line, and lead it when nobody does. Raises `Busy`."""
        with self._mutex:
            if self._room is not None and self._inside >= self._room():
                raise Busy("Too many at once; nothing was done.")
            self._inside += 1
            line = self._lines.setdefault(key, _Line())
            line.waiting.append(ticket)
            if line.leader is None or time.monotonic() - line.led_since > LEAD_SECONDS:
                _appoint_first(line, awake=ticket)
            return line

    def _wait(self, line: _Line, ticket: _Ticket) -> None:
        if not connection.in_atomic_block:
            # Who waits needs no connection; those who lead do, and those who pay.
            connection.close()
        if ticket.sleep(WAIT_SECONDS):
            return
        with self._mutex:
            if not ticket.leads and ticket in line.waiting:
                line.waiting.remove(ticket)
                raise Busy("It was not this request's turn in time; nothing was done.")
        _wait_for_result(ticket)

    def _leave(self, key: Hashable, line: _Line, ticket: _Ticket) -> None:
        """Let whoever was stopped while it waited stop nobody behind it."""
        with self._mutex:
            if ticket in line.waiting:
                line.waiting.remove(ticket)
        self._hand_over(key, line, ticket)

    def _lead(self, key: Hashable, line: _Line, leader: _Ticket) -> None:
        batch: Batch[Request, Result] = Batch(line, self._mutex)
        try:
            batch.fill(self._fits)
            if batch.tickets:
                self._settle(key, batch)
        finally:
            self._hand_over(key, line, leader)
            for ticket in batch.tickets:
                if ticket.result is None:
                    ticket.result = OutcomeUnknown("whoever decided this request was stopped")
                if ticket is not leader:
                    ticket.wake()

    def _settle(self, key: Hashable, batch: Batch) -> None:
        try:
            results = self._decide(key, batch)
        except Exception as error:
            results = [_own(error) for _ in batch.tickets]
        for ticket, result in zip(batch.tickets, results, strict=True):
            ticket.result = result
        # This frame is part of the exceptions' tracebacks.
        del results

    def _hand_over(self, key: Hashable, line: _Line, leader: _Ticket) -> None:
        """Let the first in line lead, or forget the line. Who was replaced meanwhile hands nothing over."""
        with self._mutex:
            if line.leader is not leader:
                return
            line.leader = None
            if line.waiting:
                _appoint_first(line)
            else:
                del self._lines[key]


def all_or_each(
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
        is_ones_own = not is_passing(error) or _is_without_lock(error)
        if isinstance(error, OutcomeUnknown) or not is_ones_own:
            raise
    results: list[Result | Exception] = []
    for request in requests:
        without_lock = [result for result in results if _is_without_lock(result)]
        results.append(_own(without_lock[1]) if len(without_lock) > 1 else result_of(alone, request))
    return results


def _is_without_lock(result: object) -> bool:
    return isinstance(result, Exception) and sqlstate_of(result) == LOCK_NOT_AVAILABLE


def result_of(alone: Callable[[Request], Result], request: Request) -> Result | Exception:
    """Return what one request gets alone, or the exception that it raises."""
    try:
        return alone(request)
    except Refusal as refusal:
        return refusal.as_value()
    except Exception as error:
        return error


def _appoint_first(line: _Line, *, awake: _Ticket | None = None) -> None:
    first = line.waiting[0]
    first.leads, line.leader, line.led_since = True, first, time.monotonic()
    if first is not awake:
        first.wake()


def _wait_for_result(ticket: _Ticket) -> None:
    if not ticket.sleep(TAKEN_SECONDS):
        raise OutcomeUnknown("whoever decided this request did not come back")


def _own(error: Exception) -> Exception:
    """Return a copy that one thread can raise, while others raise theirs.

    A transient error happens to every request of a crowd: its cause goes without the traceback, whose frames would keep
    the whole batch in memory until the garbage collector runs.
    """
    own = copy.copy(error)
    own.__cause__ = error.__cause__
    if own.__cause__ is not None and is_passing(error):
        own.__cause__.__traceback__ = None
    return own

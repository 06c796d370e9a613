"""Waiting without a thread: a web process runs the API's requests as greenlets on the thread of its event loop.

A greenlet that waits is suspended, and the thread runs other requests meanwhile: threads that wait cost switches, and
threads that run Python compete for the interpreter (ADR 0014 has the measurements). What blocks (PostgreSQL, Valkey)
runs in worker threads. In every other thread (tests, commands, Celery workers, pages of the admin) the same functions
block that thread.

Source: https://greenlet.readthedocs.io/en/latest/
"""

import asyncio
import contextlib
import contextvars
import functools
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, ParamSpec, Protocol, TypeVar

from django.db import close_old_connections
from greenlet import getcurrent, greenlet

# Worker threads of an event loop. Most of them wait: for PostgreSQL, for a connection of the pool, or for Valkey.
WORKER_THREADS = 64
# Greenlets that are kept for the next functions: a new one maps memory for its stack, and unmaps it at its end.
MAX_IDLE = 128

P = ParamSpec("P")
R = TypeVar("R")


class Event(Protocol):
    """What one request or thread waits for."""

    def set(self) -> None:
        """End the wait; has no effect when it was called before and the wait has not ended yet."""

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for `set`, which may have been called before; False when `seconds` passed without it."""


class EventLoop:
    """The event loop of a web process, on whose thread greenlets run, and its worker threads."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, threads: int = WORKER_THREADS) -> None:
        """Prepare for `loop`, which runs in the calling thread, or will; at most `threads` calls block at once."""
        self._loop = loop
        self._workers = ThreadPoolExecutor(threads, thread_name_prefix="worker")
        self._main = getcurrent()
        # Functions that were spawned and have not ended, without those that wait `aside`.
        self.running = 0
        self._idle: list[greenlet] = []
        self._spawned: list[Callable[[], None]] = []
        self._set_events: deque[_GreenletEvent] = deque()
        self._is_resuming_soon = False
        _of_thread.loop = self

    def close(self) -> None:
        """Detach from the thread, and end the worker threads once their work is done."""
        _of_thread.loop = None
        self._idle.clear()
        self._workers.shutdown(wait=True)

    def spawn(self, function: Callable[[], None]) -> None:
        """Run a function in a greenlet of its own until it waits for the first time, or ends. It must not raise."""
        runner = self._idle.pop() if self._idle else greenlet(self._run)
        # An empty context, as a new greenlet has.
        runner.gr_context = None
        # No argument of the greenlet: that would be kept for as long as it lives.
        self._spawned.append(function)
        self.running += 1
        runner.switch()

    def _run(self) -> None:
        """Run what was spawned, each time that `spawn` switches to this greenlet."""
        while True:
            try:
                self._spawned.pop()()
            finally:
                self.running -= 1
            if len(self._idle) >= MAX_IDLE:
                return
            self._idle.append(getcurrent())
            self._main.switch()

    def work(self, function: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
        """Run a function in a worker thread, without waiting for it. It must not raise."""
        self._workers.submit(_with_own_connection, functools.partial(function, *args, **kwargs))

    def complete(self, awaitable: Awaitable[R]) -> R:
        """Wait for an awaitable of the loop and return its result: in a greenlet, or in any other thread."""
        if current() is not self:
            return asyncio.run_coroutine_threadsafe(_result_of(awaitable), self._loop).result()
        event, task = _GreenletEvent(self), self._loop.create_task(_result_of(awaitable))
        task.add_done_callback(lambda _: event.set())
        with aside():
            event.wait()
        try:
            return task.result()
        finally:
            # An error's traceback refers to this frame: it would be a cycle.
            del task

    def _suspend(self) -> None:
        """Suspend the present greenlet until another one switches to it."""
        self._main.switch()

    def _call_later(self, seconds: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        return self._loop.call_later(seconds, callback)

    def _resume_soon(self, event: "_GreenletEvent") -> None:
        """Resume what waits for the event; many events that are set at once wake the loop once."""
        self._set_events.append(event)
        if not self._is_resuming_soon:
            self._is_resuming_soon = True
            self._loop.call_soon_threadsafe(self._resume_all)

    def _resume_all(self) -> None:
        # Before the events are taken: one that is set from now on wakes the loop again.
        self._is_resuming_soon = False
        while self._set_events:
            self._set_events.popleft().resume()


class _OfThread(threading.local):
    """The event loop that runs in a thread."""

    loop: EventLoop | None = None


_of_thread = _OfThread()


def current() -> EventLoop | None:
    """Return the event loop on whose thread this is called, None in every other thread."""
    return _of_thread.loop


def new_event() -> Event:
    """Return an event that the calling greenlet or thread is going to wait for."""
    loop = _of_thread.loop
    return _ThreadEvent() if loop is None else _GreenletEvent(loop)


def sleep(seconds: float) -> None:
    """Wait for `seconds`."""
    if _of_thread.loop is None:
        time.sleep(seconds)
    else:
        with aside():
            new_event().wait(seconds)


@contextlib.contextmanager
def aside() -> Iterator[None]:
    """Let the calling greenlet not count as running while it waits for a client, a provider or time."""
    loop = _of_thread.loop
    if loop is None:
        yield
        return
    loop.running -= 1
    try:
        yield
    finally:
        loop.running += 1


def offload(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call what blocks, and return its result: in a worker thread where the caller runs on the event loop.

    The worker thread has the caller's context variables, and a database connection of its own. Raises what `function`
    raises.
    """
    loop = _of_thread.loop
    if loop is None:
        return function(*args, **kwargs)
    work: _Work[R] = _Work(functools.partial(function, *args, **kwargs), _GreenletEvent(loop))
    loop.work(contextvars.copy_context().run, work.run)
    work.done.wait()
    return work.result()


def offloaded(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a function that blocks: see `offload`."""

    @functools.wraps(function)
    def in_worker_thread(*args: P.args, **kwargs: P.kwargs) -> R:
        if _of_thread.loop is None:
            return function(*args, **kwargs)
        return offload(function, *args, **kwargs)

    return in_worker_thread


class _Work(Generic[R]):
    """A call that a greenlet waits for while a worker thread makes it."""

    def __init__(self, call: Callable[[], R], done: Event) -> None:
        self.done = done
        self._call = call
        self._results: list[R] = []
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._results.append(self._call())
        except BaseException as error:
            self._error = error
        finally:
            self.done.set()

    def result(self) -> R:
        """Return the result, or raise the error; it is forgotten, because its traceback refers to this object."""
        error, self._error = self._error, None
        try:
            if error is not None:
                raise error
            return self._results[0]
        finally:
            del error


class _ThreadEvent:
    """Blocks a thread. A lock: `threading.Event` costs several times as much."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def set(self) -> None:
        # A second call finds the lock released.
        try:
            self._lock.release()
        except RuntimeError:
            return

    def wait(self, seconds: float | None = None) -> bool:
        return self._lock.acquire(timeout=-1 if seconds is None else seconds)


class _GreenletEvent:
    """Suspends a greenlet; `set` is called in any thread, everything else in the loop's."""

    def __init__(self, loop: EventLoop) -> None:
        self._loop = loop
        self._greenlet = getcurrent()
        self._is_set = False
        self._is_awaited = False

    def set(self) -> None:
        self._loop._resume_soon(self)

    def resume(self) -> None:
        """Take note that it was set, and resume the greenlet if it waits."""
        self._is_set = True
        self._end_wait()

    def wait(self, seconds: float | None = None) -> bool:
        if not self._is_set:
            timer = None if seconds is None else self._loop._call_later(seconds, self._end_wait)
            self._is_awaited = True
            self._loop._suspend()
            if timer is not None:
                timer.cancel()
        was_set, self._is_set = self._is_set, False
        return was_set

    def _end_wait(self) -> None:
        if self._is_awaited:
            self._is_awaited = False
            self._greenlet.switch()


async def _result_of(awaitable: Awaitable[R]) -> R:
    """The server's awaitables are no coroutines, which tasks are made of."""
    return await awaitable


def _with_own_connection(call: Callable[[], object]) -> None:
    """Make a call, and return the thread's database connection to the pool."""
    try:
        call()
    finally:
        close_old_connections()

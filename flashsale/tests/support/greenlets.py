"""An event loop in a thread of its own, on which a test runs functions as greenlets."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from flashsale.core.greenlets import WORKER_THREADS, EventLoop
from flashsale.tests.support.processes import WAIT_SECONDS


class LoopThread:
    """Runs an event loop until the end of the `with` block."""

    events: EventLoop

    def __init__(self, *, threads: int = WORKER_THREADS) -> None:
        """Prepare a loop with so many worker threads."""
        self._threads = threads

    def __enter__(self) -> "LoopThread":
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="loop", daemon=True)
        self._thread.start()
        self.call(self._prepare).result(WAIT_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        self.call(self.events.close).result(WAIT_SECONDS)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(WAIT_SECONDS)
        self.loop.close()

    def call(self, function: Callable[..., Any], *args: Any) -> "Future[Any]":
        """Call a function on the loop's thread, outside all greenlets; return its future result."""
        future: Future[Any] = Future()
        self.loop.call_soon_threadsafe(_settle, future, function, args)
        return future

    def spawn(self, function: Callable[..., Any], *args: Any) -> "Future[Any]":
        """Call a function in a new greenlet; return its future result."""
        future: Future[Any] = Future()
        self.loop.call_soon_threadsafe(self.events.spawn, lambda: _settle(future, function, args))
        return future

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    def _prepare(self) -> None:
        self.events = EventLoop(self.loop, threads=self._threads)


def _settle(future: "Future[Any]", function: Callable[..., Any], args: tuple[Any, ...]) -> None:
    try:
        future.set_result(function(*args))
    except BaseException as error:
        future.set_exception(error)
        del error, future

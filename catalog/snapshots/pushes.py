"""The subscription of one process to the pushes of all commits, in a thread of its own.

The thread starts with the first read of a product in a web process, blocks in its socket, and ends when no product has
been read for a while. Whether the subscription is live is judged by its own PINGs: Valkey answers them in the order of
its pushes, and each carries the time when it was sent. A thread, a connection or a Valkey that lags behind is therefore
not taken for a live one, even while pushes still arrive.
"""

import contextlib
import os
import threading
import time

import redis

from catalog.snapshots import stored
from catalog.snapshots.local import LIVE_SECONDS, Copies, copies
from flashsale.core import events
from flashsale.core.backoff import full_jitter

PING_SECONDS = LIVE_SECONDS / 4
# A connection on which no PING was answered for so long is given up.
SILENT_SECONDS = 2 * LIVE_SECONDS
# The thread ends when no product was read for so long.
IDLE_SECONDS = 60.0
RECONNECT_BASE_SECONDS = 0.05
RECONNECT_CAP_SECONDS = 2.0


class Subscription:
    """Applies pushes to the copies of this process; see the module."""

    def __init__(self, copies: Copies) -> None:
        self._copies = copies
        self._is_enabled = False
        self._thread: threading.Thread | None = None
        self._forget_thread()

    def enable(self) -> None:
        """Let reads of this process start the thread: web processes do; workers and commands keep no copies."""
        self._is_enabled = True

    def keep_alive(self) -> None:
        """Start the thread, unless it runs; it then runs for at least `IDLE_SECONDS`."""
        self._used_at = time.monotonic()
        if self._is_enabled and self._thread is None:
            with self._mutex:
                if self._thread is None:
                    self._thread = threading.Thread(
                        target=self._run, args=(self._stop,), name="snapshot-pushes", daemon=True
                    )
                    self._thread.start()

    def reset(self) -> None:
        """Stop the thread and forget the copies; no thread starts until `enable` is called."""
        self._is_enabled = False
        self._stop.set()
        if (thread := self._thread) is not None:
            thread.join()
        self._forget_thread()
        self._copies.reset()

    def after_fork(self) -> None:
        """Forget the parent's thread, which does not run in this child process, and its copies."""
        self._forget_thread()
        self._copies.reset()

    def _forget_thread(self) -> None:
        self._mutex = threading.Lock()
        self._stop = threading.Event()
        self._thread = None
        self._used_at = time.monotonic()
        self._failures = 0
        self._answered_at = 0.0

    def _run(self, stop: threading.Event) -> None:
        """Follow the pushes until the thread is stopped or idle; connect again after errors, with backoff."""
        try:
            while self._is_needed(stop):
                try:
                    self._follow(stop)
                except redis.RedisError as error:
                    if self._failures == 0:
                        events.record("redis_silent", fallback="Valkey is asked for each product", error=str(error))
                    self._failures += 1
                finally:
                    self._copies.end()
                pause = full_jitter(
                    self._failures, base_seconds=RECONNECT_BASE_SECONDS, cap_seconds=RECONNECT_CAP_SECONDS
                )
                stop.wait(pause.total_seconds())
        finally:
            self._thread = None

    def _is_needed(self, stop: threading.Event) -> bool:
        return not stop.is_set() and time.monotonic() < self._used_at + IDLE_SECONDS

    def _follow(self, stop: threading.Event) -> None:
        """Apply pushes while the thread is needed. Raises `redis.RedisError` when the connection is lost or silent."""
        with stored.subscribed() as connection:
            self._copies.begin()
            self._answered_at = ping_at = time.monotonic()
            while self._is_needed(stop):
                now = time.monotonic()
                if now > self._answered_at + SILENT_SECONDS:
                    raise redis.TimeoutError("Valkey pushed nothing and answered no PING.")
                if now >= ping_at:
                    connection.send_command("PING", repr(now))
                    ping_at = now + PING_SECONDS
                # One blocking call, not two: on its return a thread waits for the interpreter, which others may hold.
                with contextlib.suppress(redis.TimeoutError):
                    kind, *_, text = connection.read_response(timeout=ping_at - now, disconnect_on_error=False)
                    if kind == "pong":
                        self._confirm(float(text))
                    elif kind == "message":
                        self._apply(text)

    def _confirm(self, sent_at: float) -> None:
        """Note that the PING sent at that time (monotonic seconds) was answered."""
        self._failures = 0
        self._answered_at = sent_at
        self._copies.confirm(sent_at=sent_at)

    def _apply(self, text: str) -> None:
        """Apply one push: a product's id alone, or with version, total and free units (see `stored`)."""
        product_id, *counters = map(int, text.split())
        if counters:
            version, total, free = counters
            self._copies.write_through(product_id, version=version, total=total, free=free)
        else:
            self._copies.invalidate(product_id)


subscription = Subscription(copies)
os.register_at_fork(after_in_child=subscription.after_fork)

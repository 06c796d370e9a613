"""COMMITs that wait for a synchronous standby which is gone: a thread cancels them after `DATABASE_COMMIT_SECONDS`.

No timeout of PostgreSQL ends this wait, in which the transaction keeps its row locks. A cancelled one is committed
here, not on the standby; the server then reports success, with a warning. The outcome is unknown: a failover to that
standby would undo it.

Source: https://www.postgresql.org/docs/current/warm-standby.html#SYNCHRONOUS-REPLICATION-HA
"""

import logging
import os
import threading
import time
import weakref
from collections.abc import Callable

import psycopg
from django.conf import settings
from psycopg import generators, waiting
from psycopg.errors import Diagnostic
from psycopg.pq.abc import PGcancelConn, PGconn

from flashsale.core import events

logger = logging.getLogger(__name__)
# How long one request to cancel may take, and after how long it is sent again while the COMMIT still waits: a load
# balancer may have led it to another server or pooler.
CANCEL_SECONDS = 2.0
CANCEL_AGAIN_SECONDS = 1.0
_POLL_SECONDS = 0.1
# The server's code in which a COMMIT waits; messages are translated, this is not.
_SYNCREP = "syncrep.c"


class CommitWait:
    """The COMMIT of one connection: the context in which the thread that uses the connection sends one.

    A request to cancel may arrive late, when the COMMIT is over: unless `is_confirmed` the connection must be closed.
    """

    def __init__(self, pgconn: PGconn) -> None:
        self._pgconn = pgconn
        self._mutex = threading.Lock()
        self._began_at: float | None = None
        self._canceller: PGcancelConn | None = None
        self._ended: threading.Event | None = None
        self.is_confirmed = True

    def __enter__(self) -> None:
        """From now on the wait counts. This makes no system call, except once for each connection."""
        if self._canceller is None:
            # Made by the thread that owns the connection, which no other thread may use meanwhile.
            self._canceller = self._pgconn.cancel_conn()
            watchdog.watch(self)
        self.is_confirmed = True
        self._began_at = time.monotonic()

    def __exit__(self, *_: object) -> None:
        """The COMMIT is over, or failed: nothing is cancelled from now on."""
        with self._mutex:
            self._began_at = None
        if self._ended is not None:
            self.is_confirmed = False
            self._ended.set()

    def notice(self, diagnostic: Diagnostic) -> None:
        """Take note when the server says that it gave up the wait, on our request or by itself."""
        if diagnostic.severity_nonlocalized == "WARNING" and (diagnostic.source_file or "").endswith(_SYNCREP):
            self.is_confirmed = False

    def cancel_when_overdue(self, now: float) -> float:
        """Begin to cancel a COMMIT that waits for too long; return the seconds after which to ask again."""
        limit: float = settings.DATABASE_COMMIT_SECONDS
        with self._mutex:
            if self._began_at is None or self._ended is not None:
                return limit
            if now < self._began_at + limit:
                return self._began_at + limit - now
            self._ended = threading.Event()
        _start_thread("commit-cancel", _cancel, self._canceller, self._ended)
        return limit


class Watchdog:
    """The thread of this process that looks for COMMITs which wait for too long.

    It is not told of single COMMITs: it looks at all connections when the oldest COMMIT would be overdue, or after the
    limit, so that none that began meanwhile is overdue by then.
    """

    def __init__(self) -> None:
        self.reset()
        os.register_at_fork(after_in_child=self.reset)

    def reset(self) -> None:
        """Begin anew, as in a process that was forked: it has no threads and does not use the connections."""
        self._mutex = threading.Lock()
        self._waits: weakref.WeakSet[CommitWait] = weakref.WeakSet()
        self._thread: threading.Thread | None = None

    def watch(self, wait: CommitWait) -> None:
        """Watch a connection for as long as it is used."""
        with self._mutex:
            self._waits.add(wait)
            if self._thread is None:
                self._thread = _start_thread("commit-watchdog", self._run)

    def _run(self) -> None:
        """Look until no connection is left; the next one starts a new thread."""
        while True:
            with self._mutex:
                if self._thread is not threading.current_thread():
                    return
                waits = list(self._waits)
                if not waits:
                    self._thread = None
                    return
            now = time.monotonic()
            seconds = min(wait.cancel_when_overdue(now) for wait in waits)
            del waits
            time.sleep(seconds)


def _start_thread(name: str, run: Callable[..., None], *args: object) -> threading.Thread:
    thread = threading.Thread(target=run, args=args, name=name, daemon=True)
    thread.start()
    return thread


def _cancel(canceller: PGcancelConn, ended: threading.Event) -> None:
    """Ask the server to cancel until the COMMIT has ended."""
    events.record("commit_cancelled", seconds=settings.DATABASE_COMMIT_SECONDS)
    while not ended.is_set():
        try:
            canceller.start()
            waiting.wait_conn(generators.cancel(canceller), interval=_POLL_SECONDS, timeout=CANCEL_SECONDS)
        except psycopg.Error:
            logger.warning("a COMMIT could not be cancelled", exc_info=True)
        canceller.reset()
        ended.wait(CANCEL_AGAIN_SECONDS)
    canceller.finish()


watchdog = Watchdog()

"""The connection of this project: what it knows of its server, and of its COMMIT."""

import time
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import psycopg
from django.conf import settings
from psycopg.abc import PQGen
from psycopg.pq import ConnStatus

from flashsale.core.connections.commit_waits import CommitWait

if TYPE_CHECKING:
    from flashsale.core.connections.pool import Pool

T = TypeVar("T")

# A connection to a standby is used for so long before it is replaced.
READ_ONLY_SECONDS = 1.0
READ_ONLY_SQLSTATE = "25006"
# How much longer than PostgreSQL's own time-outs a web process waits for an answer, and how long at least: several
# statements of one message take more than one may.
ANSWER_MARGIN_SECONDS = 5.0
LEAST_ANSWER_SECONDS = 15.0
# As psycopg has it: a wait takes note of an interrupt so often.
INTERRUPT_SECONDS = 0.1


class Connection(psycopg.Connection[Any]):
    """A connection of psycopg that knows how old it is, and watches its COMMITs."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._opened_at = time.monotonic()
        self.commit_wait = CommitWait(self.pgconn)
        self.add_notice_handler(self.commit_wait.notice)

    @property
    def is_outdated(self) -> bool:
        """Whether it is to be replaced: its server is a standby, where another one may be the primary by now.

        The server reports `in_hot_standby` when a connection begins and whenever it changes, so this asks nothing. At
        most once in `READ_ONLY_SECONDS`, because reads may go on while there is no primary.
        Source: https://www.postgresql.org/docs/current/libpq-status.html#LIBPQ-PQPARAMETERSTATUS
        """
        return (
            self.pgconn.status == ConnStatus.OK
            and self.pgconn.parameter_status(b"in_hot_standby") == b"on"
            and time.monotonic() - self._opened_at > READ_ONLY_SECONDS
        )


class PooledConnection(Connection):
    """A connection of a pool. Where `limit_answers` was called, a server that does not answer is left.

    A server whose machine stands still, or whose disk does, ends no statement after its own time-outs, and the network
    takes it for alive.
    """

    # How long to wait for the answer to one message; None: as long as it takes.
    answer_seconds: ClassVar[float | None] = None

    def wait(self, gen: PQGen[T], interval: float = INTERRUPT_SECONDS, timeout: float | None = None) -> T:
        """Wait for an answer. Raises `psycopg.OperationalError` when there is none; the connection is closed then."""
        if timeout is not None or self.answer_seconds is None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, self.answer_seconds)
        except psycopg.errors._WaitTimeout as error:
            self.pgconn.finish()
            pool: Pool | None = getattr(self, "_pool", None)
            if pool is not None:
                pool.leave_server()
            raise psycopg.OperationalError(f"no answer within {self.answer_seconds:g} s") from error


def limit_answers() -> None:
    """Let this process wait for answers no longer than PostgreSQL works on them: a web process, not a command.

    By then PostgreSQL has ended every statement and COMMIT.
    """
    slowest = max(settings.DATABASE_STATEMENT_TIMEOUT_MS / 1_000, settings.DATABASE_COMMIT_SECONDS)
    PooledConnection.answer_seconds = max(LEAST_ANSWER_SECONDS, slowest + ANSWER_MARGIN_SECONDS)

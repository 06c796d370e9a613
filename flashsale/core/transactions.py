"""Transactions that are retried as a whole; a commit whose outcome is unknown raises `OutcomeUnknown`."""

import contextlib
import functools
import itertools
import random
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import ParamSpec, Protocol, Self, TypeVar, cast

from django.db import InterfaceError, InternalError, OperationalError, connection, transaction

from flashsale.core import events, greenlets
from flashsale.core.connections.base import DatabaseWrapper
from flashsale.core.connections.outcomes import OutcomeUnknown, sqlstate_of
from flashsale.core.statements import COMMIT, Row, Statement, send

__all__ = ["OutcomeUnknown", "sqlstate_of"]

MAX_ATTEMPTS = 3
RETRY_JITTER_SECONDS = 0.05
DEADLOCK_DETECTED = "40P01"
SERIALIZATION_FAILURE = "40001"
LOCK_NOT_AVAILABLE = "55P03"
RETRYABLE = frozenset({DEADLOCK_DETECTED, SERIALIZATION_FAILURE})

# A timeout ended the transaction, or the server is read-only; psycopg raises `InternalError` for their class, 25.
TRANSIENT_STATES = frozenset({"25P03", "25P04", "25006"})

_LOG_RECORD = Statement("SELECT pg_logical_emit_message(true, 'flashsale', '')")

P = ParamSpec("P")
R = TypeVar("R")


class Busy(Exception):
    """There were too many requests, or no time, for this one; nothing was done. The message is for people."""


def is_transient(error: Exception) -> bool:
    """Say whether a database error is transient (a lock, the connection, the server), not caused by the data.

    It means that nothing was committed: an unknown outcome is not transient.
    """
    if isinstance(error, OutcomeUnknown):
        return False
    if isinstance(error, (OperationalError, InterfaceError)):
        return True
    return isinstance(error, InternalError) and sqlstate_of(error) in TRANSIENT_STATES


def is_temporary(error: Exception) -> bool:
    """Say whether an error lies in the state of the database or of this process, not in the request or the program.

    The database cannot be asked now, too many ask, or the outcome of what it was told is unknown.
    """
    return isinstance(error, (Busy, OutcomeUnknown)) or is_transient(error)


def is_lock_timeout(error: Exception) -> bool:
    """Say whether a lock was not granted within `lock_timeout`."""
    return sqlstate_of(error) == LOCK_NOT_AVAILABLE


def retrying_transaction(verb: Callable[P, R]) -> Callable[P, R]:
    """Run the verb as one outermost transaction, again from its start after a deadlock or serialization failure.

    At most `MAX_ATTEMPTS` times, with a random pause between two attempts while no transaction is open. Everything
    the verb reads must be read inside it. What the verb deferred (`defer_to_commit`) is sent with the COMMIT. Raises
    `OutcomeUnknown` when the connection is lost during the commit, or no standby confirms it in time; any other
    database error is raised as it is, after the rollback.
    """

    @functools.wraps(verb)
    def whole_transaction(*args: P.args, **kwargs: P.kwargs) -> R:
        for attempt in range(1, MAX_ATTEMPTS + 1):
            try:
                with transaction.atomic(durable=True), _new_last_message() as last_message:
                    result = verb(*args, **kwargs)
                    last_message.send(commit=True)
                return result
            except (OperationalError, InterfaceError) as error:
                state = sqlstate_of(error)
                if state in RETRYABLE and attempt < MAX_ATTEMPTS:
                    events.record("lock_retry", sqlstate=state, verb=verb.__qualname__, attempt=attempt)
                    time.sleep(random.uniform(0, RETRY_JITTER_SECONDS * attempt))
                else:
                    raise
        raise AssertionError("the last attempt returns or raises")

    return greenlets.offloaded(whole_transaction)


class RowChange(Protocol):
    """What a transaction adds to the counters of one row that many transactions write, such as a product's stock."""

    @property
    def key(self) -> int:
        """The row's id: changes are sent in ascending order, which excludes deadlocks."""

    def __add__(self, later: Self) -> Self:
        """Return the sum of two changes of the same row."""

    def statements(self) -> list[Statement]:
        """Return what writes the sum."""

    def sent(self, results: list[list[Row]]) -> None:
        """Called with the rows of each statement."""


class LastMessage:
    """What a transaction sends last, as one message: its statements, its changes of rows, and the COMMIT.

    A row that many transactions write is locked by the UPDATE and unlocked by the COMMIT. Between the two there is no
    round trip and no work in Python, where all threads share one interpreter lock (ADR 0008 has the measurements).
    """

    def __init__(self) -> None:
        self._statements: list[Statement] = []
        self._changes: dict[int, RowChange] = {}

    def add(self, write: Statement | RowChange) -> None:
        """Add a statement, or a change of a row; changes of the same row are sent as their sum."""
        if isinstance(write, Statement):
            self._statements.append(write)
        elif write.key in self._changes:
            self._changes[write.key] += write
        else:
            self._changes[write.key] = write

    def send(self, *, commit: bool) -> None:
        """Send what was added since the last time: the statements, then the changes in ascending order of their keys.

        With `commit` the message ends the transaction: psycopg then sends nothing when Django commits, at the end of
        `atomic`. When a statement fails, the COMMIT is not run.
        """
        changes = [self._changes[key] for key in sorted(self._changes)]
        of_changes = [change.statements() for change in changes]
        statements = [*self._statements, *itertools.chain.from_iterable(of_changes)]
        first_change = len(self._statements)
        self._statements, self._changes = [], {}
        if not statements:
            return
        if commit:
            results = iter(cast(DatabaseWrapper, connection).committing(send, [*statements, COMMIT])[first_change:])
        else:
            results = iter(send(statements)[first_change:])
        for change, own in zip(changes, of_changes, strict=True):
            change.sent([next(results) for _ in own])


_last_message: ContextVar[LastMessage | None] = ContextVar("last_message", default=None)


@contextlib.contextmanager
def _new_last_message() -> Iterator[LastMessage]:
    message = LastMessage()
    reset = _last_message.set(message)
    try:
        yield message
    finally:
        _last_message.reset(reset)


def defer_to_commit(write: Statement | RowChange) -> None:
    """Send `write` with the COMMIT of the `retrying_transaction` that is open.

    Inside a savepoint, which may be undone alone, and outside a `retrying_transaction` it is sent at once.
    """
    message = _last_message.get()
    if message is None or connection.savepoint_ids:
        at_once = LastMessage()
        at_once.add(write)
        at_once.send(commit=False)
    else:
        message.add(write)


def await_standby() -> None:
    """Let this transaction's COMMIT wait for a synchronous standby, although it may only have read.

    What it read, such as the row of an earlier request with the same key, may be committed on this server alone (see
    `commit_waits`). PostgreSQL flushes and replicates the log in its order: when the standby has this COMMIT it has
    the earlier one. The message is a record of the log that changes nothing.
    Source: https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-REPLICATION
    """
    defer_to_commit(_LOG_RECORD)


def flush_deferred() -> None:
    """Send what was deferred now, for a verb that has to read it. Its rows stay locked until the commit."""
    message = _last_message.get()
    if message is not None:
        message.send(commit=False)

"""Whole transactions: begun once, retried as a whole, and honest about a commit whose answer was lost."""

import contextlib
import functools
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import ParamSpec, TypeVar

from django.db import InterfaceError, InternalError, OperationalError, connection, transaction

from flashsale.core import events

MAX_ATTEMPTS = 3
RETRY_JITTER_SECONDS = 0.05
DEADLOCK_DETECTED = "40P01"
SERIALIZATION_FAILURE = "40001"
LOCK_NOT_AVAILABLE = "55P03"
RETRYABLE = frozenset({DEADLOCK_DETECTED, SERIALIZATION_FAILURE})

# The server ended the transaction, or takes no writes; psycopg calls these internal errors because of their class.
TRANSIENT_STATES = frozenset({"25P03", "25P04", "25006"})

P = ParamSpec("P")
R = TypeVar("R")


class Busy(Exception):
    """There was no room, or no time, for a request; nothing was done. The message is for people."""


class OutcomeUnknown(Exception):
    """The connection was lost while committing: the transaction may or may not have happened."""


def sqlstate_of(error: BaseException) -> str | None:
    """Return the five-character SQLSTATE behind a Django database error, or None where the server gave none."""
    return getattr(error.__cause__, "sqlstate", None)


def is_transient(error: Exception) -> bool:
    """Say whether a database error is a matter of time (a lock, a connection, a server that is away), not of data."""
    if isinstance(error, (OperationalError, InterfaceError)):
        return True
    return isinstance(error, InternalError) and sqlstate_of(error) in TRANSIENT_STATES


def is_lock_timeout(error: Exception) -> bool:
    """Say whether a lock was not granted within `lock_timeout`."""
    return sqlstate_of(error) == LOCK_NOT_AVAILABLE


def retrying_transaction(verb: Callable[P, R]) -> Callable[P, R]:
    """Run the verb as one outermost transaction, again from its start after a deadlock or serialization failure.

    At most `MAX_ATTEMPTS` times, with a random pause between two attempts while no transaction is open. Everything
    the verb reads must be read inside it. Raises `OutcomeUnknown` when the connection is lost during the commit; any
    other database error leaves as it is, after the rollback.
    """

    @functools.wraps(verb)
    def whole_transaction(*args: P.args, **kwargs: P.kwargs) -> R:
        for attempt in range(1, MAX_ATTEMPTS + 1):
            committing = False
            try:
                with transaction.atomic(durable=True), _end_of_transaction():
                    result = verb(*args, **kwargs)
                    committing = True
                    _flush_and_commit()
                return result
            except (OperationalError, InterfaceError) as error:
                state = sqlstate_of(error)
                if state in RETRYABLE and attempt < MAX_ATTEMPTS:
                    events.record("lock_retry", sqlstate=state, verb=verb.__qualname__, attempt=attempt)
                    time.sleep(random.uniform(0, RETRY_JITTER_SECONDS * attempt))
                elif committing and not _is_definite(state):
                    raise OutcomeUnknown from error
                else:
                    raise
        raise AssertionError("the last attempt returns or raises")

    return whole_transaction


# Called with its key, its amounts, and `commit`: whether the step is to end the transaction.
Step = Callable[..., None]
_open = threading.local()


@contextlib.contextmanager
def _end_of_transaction() -> Iterator[None]:
    outer, _open.steps = getattr(_open, "steps", None), []
    try:
        yield
    finally:
        _open.steps = outer


def defer_to_commit(key: int, step: Step, **amounts: int) -> None:
    """Do `step` when all else of a durable transaction is done, right before its commit; several in ascending `key`.

    For the row that everybody wants: it is locked for one round trip then, however much the transaction does. The same
    step for the same key is done once, with the sums of the amounts. The last step is called with `commit=True` and
    sends the COMMIT along with its statement. Inside a savepoint, which may be undone alone, and outside durable
    transactions a step is done at once.
    """
    steps = getattr(_open, "steps", None)
    if steps is None or connection.savepoint_ids:
        step(key, **amounts, commit=False)
        return
    for other_key, other_step, sums in steps:
        if (other_key, other_step) == (key, step):
            for name, amount in amounts.items():
                sums[name] = sums.get(name, 0) + amount
            return
    steps.append((key, step, amounts))


def flush_deferred() -> None:
    """Do now what was to be done at the end, for whoever needs to see it."""
    for key, step, amounts in _steps_in_order():
        step(key, **amounts, commit=False)


def _flush_and_commit() -> None:
    steps = _steps_in_order()
    for number, (key, step, amounts) in enumerate(steps, start=1):
        step(key, **amounts, commit=number == len(steps))


def _steps_in_order() -> list[tuple[int, Step, dict[str, int]]]:
    steps = sorted(getattr(_open, "steps", None) or [], key=lambda one: one[0])
    if steps:
        _open.steps = []
    return steps


def _is_definite(state: str | None) -> bool:
    """Say whether the server itself refused; 08 and 57P mean that the connection ended, perhaps after a commit."""
    return state is not None and not state.startswith(("08", "57P"))

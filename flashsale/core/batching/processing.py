"""How a batch is processed: together, or each request alone when an error may concern one of them only."""

from collections.abc import Callable, Hashable, Sequence
from typing import Protocol, TypeVar

from flashsale.core.refusals import Refusal
from flashsale.core.transactions import is_lock_timeout, is_temporary, is_transient

# After so many lock timeouts of requests processed alone, the rest of their batch does not wait for the lock.
MAX_LOCK_TIMEOUTS = 2

Key = TypeVar("Key", bound=Hashable)
Request = TypeVar("Request")
Result = TypeVar("Result")

# Adds requests that arrived since the batch began; returns all added so far, by this and earlier calls, in order.
Admit = Callable[[], list[Request]]
# Returns a result or an exception for each of the requests and of those that `admit` returned, in that order, or raises
# an exception for all of them.
Process = Callable[[Key, list[Request], Admit[Request]], Sequence[Result | Exception]]
Compatible = Callable[[Request, list[Request]], bool]


class AnyBatch(Protocol[Request]):
    """The requests of a batch, the admitted ones last, and how more are admitted."""

    @property
    def requests(self) -> list[Request]: ...

    def admit(self) -> list[Request]: ...


def is_fault(error: Exception) -> bool:
    """Say whether an error may concern one request of a batch only."""
    return not is_temporary(error)


def is_fault_or_lock_timeout(error: Exception) -> bool:
    """Say the same as `is_fault`, and yes for a lock timeout: for batches whose requests lock different rows."""
    return is_fault(error) or is_lock_timeout(error)


def process_or_isolate(
    process: Process[Key, Request, Result],
    key: Key,
    batch: AnyBatch[Request],
    *,
    isolates: Callable[[Exception], bool],
) -> Sequence[Result | Exception]:
    """Return a result or an exception for each request of a batch.

    An exception of the whole batch means that nothing was done. Where it may concern one request only (`isolates`),
    each request is processed alone; else it is the result of every request. After `MAX_LOCK_TIMEOUTS` the remaining
    requests get a lock timeout without waiting, so that a batch does not wait for one lock again and again.
    """
    try:
        return process(key, batch.requests, batch.admit)
    except Exception as error:
        requests = batch.requests
        if len(requests) == 1 or not isolates(error):
            return [_copy_of(error) for _ in requests]
    results: list[Result | Exception] = []
    lock_timeouts: list[Exception] = []
    for request in requests:
        if len(lock_timeouts) >= MAX_LOCK_TIMEOUTS:
            results.append(_copy_of(lock_timeouts[-1]))
            continue
        result = _process_alone(process, key, request)
        results.append(result)
        if isinstance(result, Exception) and is_lock_timeout(result):
            lock_timeouts.append(result)
    return results


def _process_alone(process: Process[Key, Request, Result], key: Key, request: Request) -> Result | Exception:
    try:
        [result] = process(key, [request], list)
    except Refusal as refusal:
        return refusal.as_value()
    except Exception as error:
        return error
    return result


def _copy_of(error: Exception) -> Exception:
    """Return a copy for each thread to raise.

    Under overload transient errors are many: the traceback of the cause is dropped, because its frames would keep the
    whole batch in memory until the garbage collector runs.
    """
    # Not `copy.copy`, which calls the class with the message only: refusals take other arguments.
    own = type(error).__new__(type(error), *error.args)
    vars(own).update(vars(error))
    own.__cause__ = error.__cause__
    if own.__cause__ is not None and is_transient(error):
        own.__cause__.__traceback__ = None
    return own

"""What acts once, however often it is sent: forms of the admin, and requests with an Idempotency-Key.

A form carries a random token. The transaction that does what the form asks for stores the token first, under a
UNIQUE constraint, and its outcome with it. A second request with the token waits for that transaction, does nothing,
and shows the first one's outcome. A step that was refused or rolled back leaves no token and can be sent again. The
requests of the back office API take the same way with their keys (see `keyed_requests`).
"""

import contextlib
import functools
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ParamSpec, Protocol, TypeVar

from django.db import connection

from flashsale.core import clock
from flashsale.core.identifiers import parse_uuid
from flashsale.core.refusals import Refusal
from flashsale.core.submissions.models import Submission
from flashsale.core.transactions import await_standby, retrying_transaction

# The name of the form's hidden field.
FIELD = "submission"
RETENTION_DAYS = 7
PURGE_BATCH_ROWS = 5_000

# Waits for another transaction that is storing the same token, at most for `lock_timeout`.
_CLAIM = """
INSERT INTO submissions_submission (token, step, outcome, made_at) VALUES (%s, %s, '', clock_timestamp())
ON CONFLICT (token, step) DO NOTHING
"""

P = ParamSpec("P")
R = TypeVar("R")


class DoneBefore(Exception):
    """It was done by an earlier form or request; the exception has its outcome."""


class AlreadyDone(DoneBefore, Refusal):
    """The form was sent before; `detail` is the outcome of the first time."""

    code = "already_done"
    title = "This was done already"


class OnceOnly(Protocol):
    """What is done at most once, and the row that says that it was done."""

    name: str
    is_claimed: bool
    is_done: bool

    def claim(self) -> None:
        """Store the row, the first statement of the transaction that acts. Raises what says that it was done before."""

    def store(self, result: Any) -> None:
        """Store what the verb returned, in the same transaction."""


@dataclass
class Step:
    """What one form does to one row: the form's token, the step's name, and how its result is described to people.

    `record` is called with that description in the transaction that carries the step out.
    """

    token: uuid.UUID
    name: str
    describe: Callable[[Any], str]
    record: Callable[[str], object] = str
    is_claimed: bool = field(default=False, init=False)
    is_done: bool = field(default=False, init=False)

    def claim(self) -> None:
        """Store the token. Raises `AlreadyDone`."""
        with connection.cursor() as cursor:
            cursor.execute(_CLAIM, [self.token, self.name])
            is_new = cursor.rowcount == 1
        if not is_new:
            raise AlreadyDone(outcome_of(self.token, self.name) or "")

    def store(self, result: Any) -> None:
        """Store the outcome in words, and record it."""
        outcome = self.describe(result)
        Submission.objects.filter(token=self.token, step=self.name).update(outcome=outcome)
        self.record(outcome)


_current: ContextVar[OnceOnly | None] = ContextVar("submission_step", default=None)


def token_of(form_data: Mapping[str, Any]) -> uuid.UUID:
    """Return the token that was sent, or a new one for a form that is shown for the first time or sent without."""
    return parse_uuid(str(form_data.get(FIELD, ""))) or uuid.uuid4()


@contextlib.contextmanager
def performing(step: OnceOnly) -> Iterator[None]:
    """Let the verb called inside claim the step in its own transaction (see `retrying_transaction_once`).

    Raises what the step's `claim` raises, such as `AlreadyDone`, and `RuntimeError` when the verb is not
    `retrying_transaction_once`.
    """
    reset = _current.set(step)
    try:
        yield
    except DoneBefore:
        if connection.in_atomic_block:
            # The transaction around all this, such as the admin's when it adds a user, commits and waits.
            await_standby()
        else:
            retrying_transaction(await_standby)()
        raise
    finally:
        _current.reset(reset)
    if not step.is_claimed:
        raise RuntimeError(f"{step.name}: the verb must be `retrying_transaction_once`")


def retrying_transaction_once(verb: Callable[P, R]) -> Callable[P, R]:
    """Run the verb as `retrying_transaction` does, and store the current step and its outcome with it.

    Without a current step it is just `retrying_transaction`. Raises what the step's `claim` raises, such as
    `AlreadyDone`, and what that decorator raises.
    """

    @retrying_transaction
    @functools.wraps(verb)
    def claiming(*args: P.args, **kwargs: P.kwargs) -> R:
        if _current.get() is None:
            return verb(*args, **kwargs)
        claim_token()
        result = verb(*args, **kwargs)
        store_outcome(result)
        return result

    return claiming


def claim_token() -> None:
    """Store the current step, as the first statement of its transaction. Raises what its `claim` raises."""
    step = _step()
    step.claim()
    step.is_claimed = True


def store_outcome(result: Any) -> None:
    """Store and record the current step's outcome, in the transaction that claimed it."""
    step = _step()
    step.store(result)
    step.is_done = True


def outcome_of(token: uuid.UUID, name: str) -> str | None:
    """Return the outcome of a step that was performed; None when it was not."""
    return Submission.objects.filter(token=token, step=name).values_list("outcome", flat=True).first()


def _step() -> OnceOnly:
    step = _current.get()
    if step is None:
        raise RuntimeError("there is no current step: see `performing`")
    return step


@retrying_transaction
def purge(*, limit: int = PURGE_BATCH_ROWS) -> int:
    """Delete at most `limit` tokens older than `RETENTION_DAYS`; return how many."""
    old = Submission.objects.filter(made_at__lt=clock.now() - timedelta(days=RETENTION_DAYS))
    ids = list(old.order_by("made_at").values_list("pk", flat=True)[:limit])
    return Submission.objects.filter(pk__in=ids).delete()[0]

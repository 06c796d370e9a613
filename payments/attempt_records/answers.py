"""What a provider's answers mean for an attempt."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from checkout import orders, reference_locks
from flashsale.core import backoff, clock, events, rows
from flashsale.core.statements import fetch
from flashsale.core.transactions import retrying_transaction
from payments.attempt_records.leases import Question
from payments.attempt_records.writing import end, save
from payments.models import NOTE_LENGTH, PaymentAttempt
from payments.providers.payment_client import Call, Outcome, PaymentAnswer, PaymentObject, PaymentState

Status = PaymentAttempt.Status

LOOK_UP_INTERVAL = timedelta(minutes=5)
# After this delay the provider's list shows a payment that a seemingly failed request made.
LISTING_DELAY = timedelta(seconds=5)
LIMITED_DELAY = timedelta(seconds=1)
BACKOFF_BASE_SECONDS = 0.5
MAX_EXPONENT = 16
BACKOFF_CAP_SECONDS = {Status.CREATING: 15, Status.CLOSING: 45, Status.OPEN: 300}


@dataclass(frozen=True)
class Stored:
    """An attempt as an answer left it at database time `read_at`; `is_first_shown` as `mark_shown` returns it."""

    attempt: PaymentAttempt
    read_at: datetime
    is_first_shown: bool = False


@retrying_transaction
def store(question: Question, answer: PaymentAnswer, *, is_shown: bool = False) -> Stored:
    """Commit the provider's answer, unless the attempt has ended; returns the attempt as it is then.

    An answer that comes after another process has asked too counts only when it is definite. With `is_shown` an open
    attempt is answered to the buyer at once.
    """
    payment, asked = answer.payment, question.attempt
    new_id = payment.payment_id if payment and payment.payment_id != asked.payment_id else None
    # In the order in which an event of the payment locks them.
    _, orders_by_id, attempts, now = fetch(
        reference_locks.locking_query([(None, None, new_id)] if new_id else []),
        orders.locking_query([asked.order_id] if new_id else []),
        rows.locking_query(PaymentAttempt, "id = %s", [asked.pk]),
        clock.query(),
    )
    attempt = attempts[asked.pk]
    attempt.order = orders_by_id.get(attempt.order_id, asked.order)
    if attempt.status not in PaymentAttempt.UNENDED:
        return Stored(attempt, now)
    is_overtaken = attempt.tries != asked.tries or attempt.status != asked.status
    if is_overtaken and answer.outcome != Outcome.DONE:
        return Stored(attempt, now)
    _take_answer(attempt, question, answer, now)
    is_first_shown = is_shown and attempt.status == Status.OPEN and attempt.shown_at is None
    if is_first_shown:
        attempt.shown_at = now
    save(attempt)
    return Stored(attempt, now, is_first_shown=is_first_shown)


def _take_answer(attempt: PaymentAttempt, question: Question, answer: PaymentAnswer, now: datetime) -> None:
    attempt.last_error = answer.detail.replace("\x00", "")[:NOTE_LENGTH]
    if answer.outcome == Outcome.DONE and answer.payment is not None:
        _take_note(attempt, answer.payment, now)
    elif answer.outcome == Outcome.REFUSED and attempt.object_id is None:
        _refuse(attempt, answer, now)
    elif answer.outcome == Outcome.MISSING:
        _miss(attempt, question.call, now)
    else:
        _ask_later(attempt, answer, now)


@retrying_transaction
def mark_shown(attempt_id: UUID) -> bool:
    """Record that an open attempt is answered; say whether it is for the first time."""
    unshown = PaymentAttempt.objects.filter(pk=attempt_id, status=Status.OPEN, shown_at=None)
    return bool(unshown.update(shown_at=clock.now()))


def _take_note(attempt: PaymentAttempt, payment: PaymentObject, now: datetime) -> None:
    """Store what the provider says of its payment on a locked attempt."""
    if attempt.object_id is None:
        attempt.object_id = payment.object_id
        attempt.tries = 0
    if payment.payment_id and attempt.payment_id is None:
        attempt.payment_id = payment.payment_id
        orders.prove_made_payment(attempt.order, payment.payment_id, now=now)
    if payment.state == PaymentState.SUCCEEDED:
        end(attempt, Status.SUCCEEDED, now=now)
    elif payment.state == PaymentState.ENDED:
        end(attempt, Status.CLOSED, now=now)
    elif attempt.status == Status.CLOSING:
        is_unanswered = attempt.tries > 0
        attempt.next_ask_at = now + _backoff(attempt) if is_unanswered else now
    else:
        _open(attempt, payment, now)


def _open(attempt: PaymentAttempt, payment: PaymentObject, now: datetime) -> None:
    is_new = attempt.status == Status.CREATING
    if is_new:
        attempt.client_secret, attempt.url = payment.client_secret, payment.url
        events.record_on_commit("payment_opened", order_id=attempt.order_id, payment_id=attempt.object_id)
    attempt.status, attempt.reason = Status.OPEN, ""
    attempt.tries = 0 if is_new else 1
    attempt.next_ask_at = now + LOOK_UP_INTERVAL


def _refuse(attempt: PaymentAttempt, answer: PaymentAnswer, now: datetime) -> None:
    """End an attempt that the provider did not make, and never will."""
    if attempt.status == Status.CREATING:
        end(attempt, Status.FAILED, now=now)
        attempt.reason = answer.reason
    else:
        end(attempt, Status.CLOSED, now=now)


def _miss(attempt: PaymentAttempt, call: Call, now: datetime) -> None:
    """Give an attempt that the provider's list does not show the next key; leave one that vanished there to staff."""
    if call != "find":
        attempt.next_ask_at = None
    elif attempt.status == Status.CLOSING:
        end(attempt, Status.CLOSED, now=now)
    else:
        attempt.key_number, attempt.key_used_at, attempt.key_is_spent = attempt.key_number + 1, now, False
        attempt.next_ask_at = now


def _ask_later(attempt: PaymentAttempt, answer: PaymentAnswer, now: datetime) -> None:
    wait = _backoff(attempt)
    if answer.outcome == Outcome.LIMITED:
        wait = LIMITED_DELAY
    elif answer.key_is_spent and attempt.object_id is None:
        attempt.key_is_spent = True
        wait = LISTING_DELAY
    attempt.next_ask_at = now + wait


def _backoff(attempt: PaymentAttempt) -> timedelta:
    cap = BACKOFF_CAP_SECONDS[Status(attempt.status)]
    return backoff.full_jitter(min(attempt.tries, MAX_EXPONENT), base_seconds=BACKOFF_BASE_SECONDS, cap_seconds=cap)

"""What a provider's answers mean for their attempts."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from checkout import orders, reference_locks
from flashsale.core import backoff, clock, events, rows
from flashsale.core.statements import array, fetch
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
# How often the provider is asked to end a payment that it says it does not know, which may be a mistake; and how long
# after the time to pay it until that counts as true.
MISSING_DELAY = timedelta(hours=1)
MISSING_LIFE = timedelta(days=1)
BACKOFF_BASE_SECONDS = 0.5
MAX_EXPONENT = 16
BACKOFF_CAP_SECONDS = {Status.CREATING: 15, Status.CLOSING: 45, Status.OPEN: 300}


@dataclass(frozen=True)
class Answered:
    """A question with the provider's answer; `request_id` names the HTTP request in the log, where there is one.

    With `is_shown` an attempt that is open then is answered to the buyer.
    """

    question: Question
    answer: PaymentAnswer
    is_shown: bool = False
    request_id: str = field(default_factory=events.request_id)

    @property
    def attempt(self) -> PaymentAttempt:
        """The attempt as it was when the provider was asked."""
        return self.question.attempt

    @property
    def new_id(self) -> str | None:
        """The payment's id, where the shop did not know it."""
        payment = self.answer.payment
        return payment.payment_id if payment and payment.payment_id != self.attempt.payment_id else None


@dataclass(frozen=True)
class Stored:
    """An attempt as an answer left it at database time `read_at`; `is_first_shown` as `mark_shown` returns it."""

    attempt: PaymentAttempt
    read_at: datetime
    is_first_shown: bool = False


@retrying_transaction
def store(answered: Sequence[Answered]) -> list[Stored]:
    """Commit answers about attempts of different orders, except of those that have ended; return all as they are then.

    An answer that comes after another process has asked too counts only when it is definite.
    """
    # In the order in which events of the payments lock them; the orders in any case, in front of several attempts.
    _, orders_by_id, attempts, now = fetch(
        reference_locks.locking_query((None, None, one.new_id) for one in answered),
        orders.locking_query(one.attempt.order_id for one in answered),
        rows.locking_query(PaymentAttempt, "id = ANY(%s::uuid[])", [array(one.attempt.pk for one in answered)]),
        clock.query(),
    )
    taken, proved, stored = [], [], []
    for one in answered:
        attempt = attempts[one.attempt.pk]
        attempt.order = orders_by_id[attempt.order_id]
        old_payment_id, is_taken = attempt.payment_id, _counts(attempt, one)
        if is_taken:
            with events.bound_to_request(one.request_id):
                _take_answer(attempt, one.question, one.answer, now)
            taken.append(attempt)
        if attempt.payment_id is not None and attempt.payment_id != old_payment_id:
            proved.append((attempt.order, attempt.payment_id))
        stored.append(_stored(attempt, now, is_shown=is_taken and one.is_shown))
    if proved:
        orders.prove_made_payments(proved, now=now)
    save(taken)
    return stored


def _counts(attempt: PaymentAttempt, answered: Answered) -> bool:
    """Say whether an answer says anything about a locked attempt as it is now."""
    if attempt.status not in PaymentAttempt.UNENDED:
        return False
    asked = answered.attempt
    is_overtaken = attempt.tries != asked.tries or attempt.status != asked.status
    return not is_overtaken or answered.answer.outcome == Outcome.DONE


def _stored(attempt: PaymentAttempt, now: datetime, *, is_shown: bool) -> Stored:
    is_first_shown = is_shown and attempt.status == Status.OPEN and attempt.shown_at is None
    if is_first_shown:
        attempt.shown_at = now
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
    """Give an attempt that the provider's list does not show the next key; leave one that vanished there to staff.

    While it must not be payable, that one is asked about for a day, and a metric tells of it.
    """
    is_closing = attempt.status == Status.CLOSING
    if is_closing and (call == "find" or now >= attempt.pay_until + MISSING_LIFE):
        end(attempt, Status.CLOSED, now=now)
    elif call != "find":
        attempt.next_ask_at = now + MISSING_DELAY if is_closing else None
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

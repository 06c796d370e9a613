"""The only writer of payment attempts: what is to be asked of the provider, and what its answers mean.

A request to the provider has three steps, and the process may die after each: `begin` commits a lease, the caller asks
without a transaction or a connection, `store` commits the answer. An attempt whose lease ran out is asked about again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import OuterRef, QuerySet, Subquery
from django.db.models.functions import JSONObject

from checkout import orders, reference_locks
from checkout.models import Order
from flashsale.core import backoff, clock, events
from flashsale.core.statements import Statement, array, fetch, send
from flashsale.core.transactions import retrying_transaction
from payments import request_slots
from payments.models import NOTE_LENGTH, PaymentAttempt
from payments.providers import PAYMENT_CLIENTS
from payments.providers.payment_client import Call, Outcome, PaymentAnswer, PaymentObject, PaymentState

Status = PaymentAttempt.Status

# Providers keep keys for a day: an hour less, so that none is forgotten while a request is in flight.
KEY_LIFE = timedelta(hours=23)
LOOK_UP_INTERVAL = timedelta(minutes=5)
# After this delay the provider's list shows a payment that a seemingly failed request made.
LISTING_DELAY = timedelta(seconds=5)
LIMITED_DELAY = timedelta(seconds=1)
# Longer than the time-out of a request, by this.
LEASE_MARGIN_SECONDS = 5.0
BACKOFF_BASE_SECONDS = 0.5
MAX_EXPONENT = 16
MAX_TRIES_COUNTED = 30_000
BACKOFF_CAP_SECONDS = {Status.CREATING: 15, Status.CLOSING: 45, Status.OPEN: 300}
EXPIRY_BATCH = 500

# The payment that pays its order has succeeded; when an order leaves `pending_payment` otherwise, it is closed.
_LEAVE = """
UPDATE payments_paymentattempt AS ours
SET status = CASE WHEN each.payment_id = ours.payment_id THEN 'succeeded' ELSE 'closing' END,
    ended_at = CASE WHEN each.payment_id = ours.payment_id THEN clock_timestamp() END,
    next_ask_at = CASE WHEN each.payment_id = ours.payment_id THEN NULL ELSE clock_timestamp() END,
    reason = CASE WHEN each.payment_id = ours.payment_id THEN '' ELSE 'order_left' END,
    client_secret = '', url = '', tries = 0
FROM unnest(%s::uuid[], %s::text[]) AS each (order_id, payment_id)
WHERE ours.order_id = each.order_id AND ours.status IN ('creating', 'open', 'closing')
AND (ours.status <> 'closing' OR ours.payment_id = each.payment_id)
"""
_CLOSE_OVERDUE = """
UPDATE payments_paymentattempt
SET status = 'closing', next_ask_at = clock_timestamp(), reason = 'time_over', client_secret = '', url = '', tries = 0
WHERE id IN (
    SELECT id FROM payments_paymentattempt
    WHERE status IN ('creating', 'open') AND pay_until <= now() AND shop_id = %s
    ORDER BY pay_until LIMIT %s FOR UPDATE SKIP LOCKED
) RETURNING id
"""


@dataclass(frozen=True)
class Question:
    """A request to the provider that was committed before it is sent, in `wait` seconds."""

    attempt: PaymentAttempt
    call: Call
    key: str
    wait: float


def leave(left: Sequence[tuple[UUID, str | None]]) -> Statement:
    """Return what ends or closes the attempts of orders that leave `pending_payment`, each paid by a payment or not."""
    return Statement(_LEAVE, [array(order_id for order_id, _ in left), array(paid_by for _, paid_by in left)])


def shown_payment() -> Subquery:
    """Return the expression of what an order's answer shows of its last attempt, without secrets: see `PaymentView`."""
    of_order = PaymentAttempt.objects.filter(order=OuterRef("pk")).order_by("-number")
    members = JSONObject(provider="provider", kind="kind", status="status", pay_until="pay_until")
    return Subquery(of_order.values(shown=members)[:1])


def add(order: Order, *, client_name: str, return_url: str, pay_until: datetime, now: datetime) -> PaymentAttempt:
    """Store a new attempt for a locked order that has none running; it is asked for at once."""
    client = PAYMENT_CLIENTS[client_name]
    return PaymentAttempt.objects.create(
        order=order,
        number=1 + PaymentAttempt.objects.filter(order=order).count(),
        provider=client_name,
        shop_id=settings.SHOP_ID,
        kind=client.kind(),
        amount=order.total_amount,
        currency=order.currency,
        return_url=return_url,
        pay_until=pay_until,
        created_at=now,
        next_ask_at=now,
        key_used_at=now,
    )


@retrying_transaction
def close_overdue() -> int:
    """Set attempts past their `pay_until` to `closing`, at most `EXPIRY_BATCH`; return how many."""
    [rows] = send([Statement(_CLOSE_OVERDUE, [settings.SHOP_ID, EXPIRY_BATCH])])
    return len(rows)


def due(now: datetime) -> QuerySet[PaymentAttempt]:
    """Return this shop's running attempts that the provider is to be asked about, the longest waiting first."""
    own = PaymentAttempt.objects.filter(shop_id=settings.SHOP_ID, status__in=PaymentAttempt.UNENDED)
    return own.filter(next_ask_at__lte=now).order_by("next_ask_at")


@retrying_transaction
def mark_shown(attempt_id: UUID) -> bool:
    """Record that an open attempt is answered; say whether it is for the first time."""
    unshown = PaymentAttempt.objects.filter(pk=attempt_id, status=Status.OPEN, shown_at=None)
    return bool(unshown.update(shown_at=clock.now()))


@retrying_transaction
def begin(
    attempt_id: UUID, *, timeout: float, max_wait: float, is_urgent: bool, unless_asked_within: float | None = None
) -> Question | None:
    """Commit that the provider is asked about an attempt, within `timeout` seconds; return what to ask it.

    None when nothing is due, or its slot would come later than in `max_wait` seconds. With `unless_asked_within` it is
    asked although nothing is due, unless it was asked within so many seconds.
    """
    attempt = _locking().filter(pk=attempt_id).first()
    now = clock.now()
    if attempt is None or attempt.status not in PaymentAttempt.UNENDED or attempt.shop_id != settings.SHOP_ID:
        return None
    if not _may_ask(attempt, now, unless_asked_within):
        return None
    if attempt.status == Status.CLOSING and attempt.object_id is None and attempt.asked_at is None:
        _end(attempt, Status.CLOSED, now=now)
        return None
    call = _call_about(attempt, now)
    slot = PAYMENT_CLIENTS[attempt.provider].slot_of(call, attempt)
    wait = request_slots.reserve(slot, max_wait=max_wait, is_urgent=is_urgent)
    if wait is None:
        return None
    attempt.tries = min(attempt.tries + 1, MAX_TRIES_COUNTED)
    attempt.asked_at = now
    attempt.next_ask_at = now + timedelta(seconds=wait + timeout + LEASE_MARGIN_SECONDS)
    attempt.save(update_fields=["tries", "asked_at", "next_ask_at"])
    return Question(attempt=attempt, call=call, key=f"{attempt.shop_id}:{attempt.pk}:{attempt.key_number}", wait=wait)


@retrying_transaction
def store(question: Question, answer: PaymentAnswer) -> PaymentAttempt:
    """Commit the provider's answer, unless the attempt has ended; returns the attempt as it is then.

    An answer that comes after another process has asked too counts only when it is definite.
    """
    payment = answer.payment
    if payment is not None and payment.payment_id and payment.payment_id != question.attempt.payment_id:
        # In the order in which an event of the payment locks them.
        fetch(reference_locks.locking_query([(None, None, payment.payment_id)]))
        orders.lock(question.attempt.order_id)
    attempt = _locking().get(pk=question.attempt.pk)
    now = clock.now()
    if attempt.status not in PaymentAttempt.UNENDED:
        return attempt
    is_overtaken = attempt.tries != question.attempt.tries or attempt.status != question.attempt.status
    if is_overtaken and answer.outcome != Outcome.DONE:
        return attempt
    attempt.last_error = answer.detail[:NOTE_LENGTH]
    if answer.outcome == Outcome.DONE and payment is not None:
        _take_note(attempt, payment, now)
    elif answer.outcome == Outcome.REFUSED and attempt.object_id is None:
        _refuse(attempt, answer, now)
    elif answer.outcome == Outcome.MISSING:
        _miss(attempt, question.call, now)
    else:
        _ask_later(attempt, answer, now)
    attempt.save()
    return attempt


def _may_ask(attempt: PaymentAttempt, now: datetime, unless_asked_within: float | None) -> bool:
    if attempt.next_ask_at is not None and attempt.next_ask_at <= now:
        return True
    if unless_asked_within is None or attempt.asked_at is None:
        return False
    if attempt.status == Status.OPEN and attempt.tries == 0:
        # It was asked for, but not yet about.
        return True
    return now - attempt.asked_at >= timedelta(seconds=unless_asked_within)


def _call_about(attempt: PaymentAttempt, now: datetime) -> Call:
    if attempt.object_id is not None:
        return "end" if attempt.status == Status.CLOSING else "look_up"
    is_key_over = attempt.key_is_spent or now - attempt.key_used_at > KEY_LIFE
    return "find" if is_key_over else "start"


def _take_note(attempt: PaymentAttempt, payment: PaymentObject, now: datetime) -> None:
    """Store what the provider says of its payment on a locked attempt."""
    if attempt.object_id is None:
        attempt.object_id = payment.object_id
        attempt.tries = 0
    if payment.payment_id and attempt.payment_id is None:
        attempt.payment_id = payment.payment_id
        orders.prove_made_payment(attempt.order, payment.payment_id)
    if payment.state == PaymentState.SUCCEEDED:
        _end(attempt, Status.SUCCEEDED, now=now)
    elif payment.state == PaymentState.ENDED:
        _end(attempt, Status.CLOSED, now=now)
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
        _end(attempt, Status.FAILED, now=now)
        attempt.reason = answer.reason
    else:
        _end(attempt, Status.CLOSED, now=now)


def _miss(attempt: PaymentAttempt, call: Call, now: datetime) -> None:
    """Give an attempt that the provider's list does not show the next key; leave one that vanished there to staff."""
    if call != "find":
        attempt.next_ask_at = None
    elif attempt.status == Status.CLOSING:
        _end(attempt, Status.CLOSED, now=now)
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


def _end(attempt: PaymentAttempt, status: PaymentAttempt.Status, *, now: datetime) -> None:
    attempt.status, attempt.ended_at, attempt.next_ask_at = status, now, None
    attempt.client_secret = attempt.url = ""
    if status != Status.FAILED:
        attempt.reason = "" if status == Status.SUCCEEDED else attempt.reason
    attempt.save()
    events.record_on_commit("payment_attempt_ended", order_id=attempt.order_id, status=str(status))


def _backoff(attempt: PaymentAttempt) -> timedelta:
    cap = BACKOFF_CAP_SECONDS[Status(attempt.status)]
    return backoff.full_jitter(min(attempt.tries, MAX_EXPONENT), base_seconds=BACKOFF_BASE_SECONDS, cap_seconds=cap)


def _locking() -> QuerySet[PaymentAttempt]:
    return PaymentAttempt.objects.select_for_update(no_key=True, of=("self",)).select_related("order__product")

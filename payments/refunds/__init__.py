"""Money on its way back: through a provider's API, by staff, and when it comes back undelivered.

The only writer of `Refund`. A refund goes out in three steps, each safe to die after: it is committed as `sent`, the
provider is asked outside any transaction, its answer is committed. An attempt without an answer is looked up in the
provider's list before it is sent again with the same amount; only after a definite refusal does another attempt begin.

The idempotency key stays the same while it protects: a provider repeats a saved 500 to it, and forgets it after a day.
Then, and only when its list shows nothing of the attempt, the attempt gets the next key.
"""

import logging
import time
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet, Sum

from flashsale.core import advisory_locks, backoff, clock
from flashsale.core.refusals import Refusal
from flashsale.core.submissions.once import retrying_transaction_once
from flashsale.core.transactions import retrying_transaction
from payments import payment_records
from payments.models import Payment, Refund
from payments.providers import REFUNDERS
from payments.providers.base import ListedRefund, LookUpFailed, RefundAnswer, RefundOutcome

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 5
MAX_TRIES = 12
# Longer than any provider is waited for, twice.
LEASE_SECONDS = 120
# Providers keep keys for a day; one that could be forgotten while it is on its way protects nothing.
KEY_LIFE_SECONDS = 23 * 3600
# What a failed request made after all is in the provider's list by then.
SETTLING_SECONDS = 60
UNKNOWN_BASE_SECONDS, UNKNOWN_CAP_SECONDS = 15, 6 * 3600
REFUSED_BASE_SECONDS, REFUSED_CAP_SECONDS = 600, 24 * 3600
BATCH_ROWS = 100
RUN_SECONDS = 45
LIMIT_LOCK = "automatic refunds"
ERROR_LENGTH = Refund._meta.get_field("last_error").max_length

Status = Refund.Status


class AlreadyRefunded(Refusal):
    code = "payment_already_refunded"
    title = "Payment is already refunded"


class RefundUnderWay(Refusal):
    code = "refund_under_way"
    title = "The provider was asked for this refund and has not answered yet"


class AlreadyFailed(Exception):
    """This refund's failure is known."""


class LimitReached(Exception):
    """As many automatic refunds as an hour may have were begun in the last one."""


@retrying_transaction_once
def mark_refunded(payment: Payment, *, staff: Any, note: str) -> Payment:
    """Record that staff gave the rest of a payment back by other means; `note` says how.

    Raises `AlreadyRefunded`, and `RefundUnderWay` while a provider's answer is still to come.
    """
    locked = payment_records.lock(payment)
    if locked.status == Payment.Status.REFUNDED:
        raise AlreadyRefunded
    if locked.refunds.filter(status=Status.SENT, next_try_at__isnull=False).exists():
        raise RefundUnderWay
    locked.refunded_by, locked.refunded_note = staff, note
    payment_records.record_refund(locked, amount=locked.amount - locked.refunded_amount)
    return locked


def give_back_due(*, limit: int = BATCH_ROWS) -> int:
    """Refund what is due through the providers that allow it; returns how many were asked for.

    Ends early after `RUN_SECONDS` or at the limit of an hour.
    """
    asked, started = 0, time.monotonic()
    for payment in _automatic(clock.now()).order_by("created_at")[:limit]:
        if time.monotonic() - started > RUN_SECONDS:
            break
        try:
            refund = _begin(payment)
        except LimitReached:
            log.warning("automatic refunds have reached STRIPE_REFUNDS_PER_HOUR; the rest waits")
            break
        if refund is not None:
            _carry_out(payment, refund)
            asked += 1
    return asked


def note_failure(payment: Payment, *, refund_id: str, amount: Decimal) -> None:
    """Record that a refund of a locked payment failed after its provider had taken it. Raises `AlreadyFailed`."""
    known = payment.refunds.filter(refund_id=refund_id).first()
    if known is not None and known.status == Status.FAILED:
        raise AlreadyFailed
    unanswered = payment.refunds.filter(status=Status.SENT, amount=amount).first()
    refund = known or unanswered or Refund(payment=payment, created_at=clock.now())
    refund.status, refund.refund_id, refund.amount = Status.FAILED, refund_id, amount
    refund.next_try_at, refund.answered_at = None, clock.now()
    refund.save()
    payment_records.reverse_refund(payment, amount=amount)


def _automatic(now: datetime) -> QuerySet[Payment]:
    """Payments whose refund may be begun or sent again now.

    Not those that a failed refund left, and not those known by an event's id only: these are for staff.
    """
    own = Refund.objects.filter(payment=OuterRef("pk"), attempt__isnull=False)
    waits = own.filter(Q(next_try_at__gt=now) | Q(status=Status.SENT, next_try_at=None))
    is_given_up = own.filter(status=Status.REFUSED, attempt__gte=MAX_ATTEMPTS)
    enabled = [name for name, refunder in REFUNDERS.items() if refunder.is_enabled()]
    due = Payment.objects.filter(
        status=Payment.Status.REFUND_DUE, provider__in=enabled, event__payment_ref__isnull=False
    )
    return due.exclude(reason=payment_records.REFUND_FAILED).exclude(Exists(waits)).exclude(Exists(is_given_up))


@retrying_transaction
def _begin(payment: Payment) -> Refund | None:
    """Commit that the provider is about to be asked; None when there is nothing to ask for any more.

    The lease keeps a second worker from asking meanwhile. Raises `LimitReached`.
    """
    advisory_locks.lock([LIMIT_LOCK])
    locked = payment_records.lock(payment)
    now = clock.now()
    if not _automatic(now).filter(pk=locked.pk).exists():
        return None
    refund = locked.refunds.filter(status=Status.SENT).first()
    if refund is None:
        begun = Refund.objects.filter(attempt__isnull=False, created_at__gt=now - timedelta(hours=1)).count()
        if begun >= settings.STRIPE_REFUNDS_PER_HOUR:
            raise LimitReached
        refund = Refund(
            payment=locked,
            attempt=1 + locked.refunds.filter(attempt__isnull=False).count(),
            amount=locked.amount - locked.refunded_amount,
            status=Status.SENT,
            created_at=now,
            key_used_at=now,
        )
    refund.tries += 1
    refund.next_try_at = now + timedelta(seconds=LEASE_SECONDS)
    refund.save()
    return refund


def _carry_out(payment: Payment, refund: Refund) -> None:
    """Send a begun attempt, after a look-up when it may have been sent before, and store what comes of it."""
    if refund.tries > 1:
        try:
            listed = REFUNDERS[payment.provider].look_up(payment.payment_id, currency=payment.currency)
        except LookUpFailed as error:
            _finish(payment, refund, RefundAnswer(outcome=RefundOutcome.UNKNOWN, detail=f"Look-up: {error}"))
            return
        if (known := _own(listed, payment, refund)) is not None:
            _finish(payment, refund, known)
            return
        if not _may_send_again(payment, refund, listed):
            return
    _finish(payment, refund, _ask(payment, refund))


def _attempt_name(payment: Payment, refund: Refund) -> str:
    return f"{payment.payment_id}:{refund.attempt}"


def _key(payment: Payment, refund: Refund) -> str:
    name = _attempt_name(payment, refund)
    return name if refund.key_number == 1 else f"{name}:{refund.key_number}"


def _ask(payment: Payment, refund: Refund) -> RefundAnswer:
    return REFUNDERS[payment.provider].refund(
        payment.payment_id,
        amount=refund.amount,
        currency=payment.currency,
        key=_key(payment, refund),
        attempt=_attempt_name(payment, refund),
    )


def _own(listed: list[ListedRefund], payment: Payment, refund: Refund) -> RefundAnswer | None:
    """Return what the provider's list says about this attempt, or None when it does not show it."""
    of_attempt = [one for one in listed if one.attempt == _attempt_name(payment, refund)]
    if not of_attempt:
        return None
    one = next((one for one in of_attempt if one.is_alive), of_attempt[0])
    outcome = RefundOutcome.ACCEPTED if one.is_alive else RefundOutcome.REFUSED
    return RefundAnswer(outcome=outcome, refund_id=one.refund_id, detail="Found in the provider's list.")


@retrying_transaction
def _may_send_again(payment: Payment, asked: Refund, listed: list[ListedRefund]) -> bool:
    """Commit which key an attempt that the provider's list does not show is sent with; says whether to send it.

    Not when another worker took it over meanwhile, and not when the list shows refunds that are not known here: the
    attempt is then left to staff. `asked` gets the key that was committed.
    """
    locked = payment_records.lock(payment)
    refund = Refund.objects.get(pk=asked.pk)
    if refund.status != Status.SENT or refund.tries != asked.tries:
        return False
    if unknown := _unknown_here(listed, locked):
        refund.next_try_at = None
        detail = f"The provider lists refunds that are not known here: {', '.join(unknown)}. Please compare and decide."
        refund.last_error = detail[:ERROR_LENGTH]
        refund.save()
        log.warning("refund of payment %s is left to staff: %s", payment.payment_id, detail)
        return False
    now = clock.now()
    if refund.key_is_spent or now - (refund.key_used_at or refund.created_at) > timedelta(seconds=KEY_LIFE_SECONDS):
        refund.key_number += 1
        refund.key_used_at, refund.key_is_spent = now, False
        refund.save()
    asked.key_number = refund.key_number
    return True


def _unknown_here(listed: list[ListedRefund], payment: Payment) -> list[str]:
    """Return the ids of listed refunds that a locked payment's books do not contain.

    Of refunds made elsewhere only their sum is known, from the provider's events.
    """
    own = payment.refunds.filter(attempt__isnull=False, refund_id__isnull=False)
    own_ids = set(own.values_list("refund_id", flat=True))
    own_amount = own.filter(status=Status.ACCEPTED).aggregate(sum=Sum("amount", default=Decimal(0)))["sum"]
    others = [one for one in listed if one.is_alive and one.refund_id not in own_ids]
    if sum((one.amount for one in others), Decimal(0)) <= max(payment.refunded_amount - own_amount, Decimal(0)):
        return []
    return [one.refund_id for one in others]


@retrying_transaction
def _finish(payment: Payment, asked: Refund, answer: RefundAnswer) -> None:
    """Commit the provider's answer, unless it is known by another way.

    An answer that came after another worker had taken the attempt over counts only when the money is on its way.
    """
    locked = payment_records.lock(payment)
    refund = Refund.objects.get(pk=asked.pk)
    is_late = refund.tries != asked.tries and answer.outcome != RefundOutcome.ACCEPTED
    if refund.status != Status.SENT or is_late:
        return
    now = clock.now()
    refund.last_error = answer.detail[:ERROR_LENGTH]
    if answer.outcome == RefundOutcome.UNKNOWN:
        _let_wait(refund, answer, now)
        return
    refund.refund_id, refund.answered_at = answer.refund_id, now
    if answer.outcome == RefundOutcome.REFUSED:
        refund.status = Status.REFUSED
        refund.next_try_at = now + _wait(refund.attempt, REFUSED_BASE_SECONDS, REFUSED_CAP_SECONDS)
        refund.save()
        return
    refund.status, refund.next_try_at = Status.ACCEPTED, None
    refund.save()
    if locked.status == Payment.Status.REFUND_DUE:
        # It asked for all that was left.
        payment_records.record_refund(locked, amount=locked.amount - locked.refunded_amount)


def _let_wait(refund: Refund, answer: RefundAnswer, now: datetime) -> None:
    """Store an attempt without a definite answer, and when it is looked up next, if ever."""
    wait = _wait(refund.tries, UNKNOWN_BASE_SECONDS, UNKNOWN_CAP_SECONDS)
    if answer.key_is_spent:
        refund.key_is_spent = True
        wait += timedelta(seconds=SETTLING_SECONDS)
    refund.next_try_at = None if refund.tries >= MAX_TRIES else now + wait
    refund.save()


def _wait(tries: int, base_seconds: float, cap_seconds: float) -> timedelta:
    return backoff.full_jitter(tries, base_seconds=base_seconds, cap_seconds=cap_seconds)

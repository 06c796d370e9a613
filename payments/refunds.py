"""Money on its way back: through a provider's API, by staff, and when it comes back undelivered.

The only writer of `Refund`. A refund goes out in three steps, each safe to die after: it is committed as `sent`, the
provider is asked outside any transaction, its answer is committed. Whatever has no answer is sent again under the same
idempotency key, with the same amount; only after a definite refusal does another attempt begin.
"""

import logging
import time
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet

from flashsale.core import advisory, backoff, clock
from flashsale.core.refusals import Refusal
from flashsale.core.transactions import durable
from payments import ledger
from payments.models import Payment, Refund
from payments.providers import REFUNDERS
from payments.providers.base import RefundAnswer, RefundOutcome

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 5
MAX_TRIES = 12
# Longer than any provider is waited for.
LEASE_SECONDS = 120
UNKNOWN_BASE_SECONDS, UNKNOWN_CAP_SECONDS = 15, 6 * 3600
REFUSED_BASE_SECONDS, REFUSED_CAP_SECONDS = 600, 24 * 3600
BATCH_ROWS = 100
RUN_SECONDS = 45
LIMIT_LOCK = "automatic refunds"

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


@durable
def mark_refunded(payment: Payment, *, staff: Any, note: str) -> Payment:
    """Record that staff gave the rest of a payment back by other means; `note` says how.

    Raises `AlreadyRefunded`, and `RefundUnderWay` while a provider's answer is still to come.
    """
    locked = ledger.lock(payment)
    if locked.status == Payment.Status.REFUNDED:
        raise AlreadyRefunded
    if locked.refunds.filter(status=Status.SENT, next_try_at__isnull=False).exists():
        raise RefundUnderWay
    locked.refunded_by, locked.refunded_note = staff, note
    ledger.give_back(locked, amount=locked.amount - locked.refunded_amount)
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
            _finish(payment, refund.pk, _ask(payment, refund))
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
    ledger.take_again(payment, amount=amount)


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
    return due.exclude(reason=ledger.REFUND_FAILED).exclude(Exists(waits)).exclude(Exists(is_given_up))


@durable
def _begin(payment: Payment) -> Refund | None:
    """Commit that the provider is about to be asked; None when there is nothing to ask for any more.

    The lease keeps a second worker from asking meanwhile. Raises `LimitReached`.
    """
    advisory.lock([LIMIT_LOCK])
    locked = ledger.lock(payment)
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
        )
    refund.tries += 1
    refund.next_try_at = now + timedelta(seconds=LEASE_SECONDS)
    refund.save()
    return refund


def _ask(payment: Payment, refund: Refund) -> RefundAnswer:
    key = f"{payment.payment_id}:{refund.attempt}"
    refunder = REFUNDERS[payment.provider]
    return refunder.refund(payment.payment_id, amount=refund.amount, currency=payment.currency, key=key)


@durable
def _finish(payment: Payment, refund_pk: int, answer: RefundAnswer) -> None:
    """Commit the provider's answer, unless it is known by another way."""
    locked = ledger.lock(payment)
    refund = Refund.objects.get(pk=refund_pk)
    if refund.status != Status.SENT:
        return
    now = clock.now()
    refund.last_error = answer.detail[: Refund._meta.get_field("last_error").max_length]
    if answer.outcome == RefundOutcome.UNKNOWN:
        is_last = refund.tries >= MAX_TRIES
        refund.next_try_at = None if is_last else now + _wait(refund.tries, UNKNOWN_BASE_SECONDS, UNKNOWN_CAP_SECONDS)
        refund.save()
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
        ledger.give_back(locked, amount=locked.amount - locked.refunded_amount)


def _wait(tries: int, base_seconds: float, cap_seconds: float) -> timedelta:
    return backoff.full_jitter(tries, base_seconds=base_seconds, cap_seconds=cap_seconds)

"""Attempts to refund a payment through its provider: each step is one transaction that locks the payment.

An attempt keeps its idempotency key until the provider has stored a server error for the key, or may have forgotten it
after a day. Then the attempt gets the next key, provided that the provider's list of refunds does not show the attempt.
"""

import logging
from datetime import datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from flashsale.core import advisory_locks, backoff, clock
from flashsale.core.transactions import retrying_transaction
from payments import payment_events, payment_records
from payments.models import NOTE_LENGTH, Payment, PaymentAttempt, Refund
from payments.providers import REFUND_CLIENTS
from payments.providers.base import ListedRefund, RefundAnswer, RefundOutcome
from payments.refunds.recording import refunded_after

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 5
MAX_TRIES = 12
# More than twice the time-out of a request to any provider.
LEASE_SECONDS = 120
# Providers keep keys for a day: an hour less, so that none is forgotten while a request is in flight.
KEY_LIFE_SECONDS = 23 * 3600
# After this delay the provider's list shows a refund that a seemingly failed request created.
LISTING_DELAY_SECONDS = 60
UNKNOWN_BASE_SECONDS, UNKNOWN_CAP_SECONDS = 15, 6 * 3600
REFUSED_BASE_SECONDS, REFUSED_CAP_SECONDS = 600, 24 * 3600
LIMIT_LOCK = "automatic refunds"

Status = Refund.Status


class LimitReached(Exception):
    """`STRIPE_REFUNDS_PER_HOUR` automatic refunds were begun within the last hour."""


def due(now: datetime) -> QuerySet[Payment]:
    """Return the payments whose refund may be begun or sent again at `now`, the longest waiting first.

    Excludes payments whose refund failed, payments without a provider's payment id, and those that were made under
    another `SHOP_ID`: staff handle these.
    """
    own = Refund.objects.filter(payment=OuterRef("pk"), attempt__isnull=False)
    waiting = own.filter(Q(next_try_at__gt=now) | Q(status=Status.SENT, next_try_at=None))
    accepted = Coalesce(Subquery(_last_accepted(OuterRef("payment"))), 0)
    given_up = own.filter(status=Status.REFUSED, attempt__gte=MAX_ATTEMPTS + accepted)
    refundable = payment_records.due().filter(provider__in=_enabled(), event__payment_ref__isnull=False)
    refundable = refundable.exclude(reason=payment_records.REFUND_FAILED)
    refundable = refundable.exclude(Exists(_made_by_another_shop(OuterRef("provider"), OuterRef("payment_id"))))
    return refundable.exclude(Exists(waiting)).exclude(Exists(given_up)).order_by(Coalesce("due_since", "created_at"))


def is_automatic(payment: Payment) -> bool:
    """Say whether what becomes due of this payment is refunded through its provider, and not left to staff."""
    is_known_to_provider = payment.provider in _enabled() and payment.event.payment_ref is not None
    if not is_known_to_provider or _made_by_another_shop(payment.provider, payment.payment_id).exists():
        return False
    return not (payment.amount_due and payment.reason == payment_records.REFUND_FAILED)


@retrying_transaction
def begin(payment: Payment) -> Refund | None:
    """Commit an attempt before it is sent; return it, or None when nothing is due any more.

    Its lease keeps other workers from sending it too. Raises `LimitReached`.
    """
    advisory_locks.lock([LIMIT_LOCK])
    locked = payment_records.lock(payment)
    now = clock.now()
    if not due(now).filter(pk=locked.pk).exists():
        return None
    refund = locked.refunds.filter(status=Status.SENT).first()
    if refund is None:
        begun_count = Refund.objects.filter(attempt__isnull=False, created_at__gt=now - timedelta(hours=1)).count()
        if begun_count >= settings.STRIPE_REFUNDS_PER_HOUR:
            raise LimitReached
        refund = Refund(
            payment=locked,
            attempt=1 + locked.refunds.filter(attempt__isnull=False).count(),
            amount=locked.amount_due,
            refunded_before=locked.amount_refunded_by_provider,
            status=Status.SENT,
            created_at=now,
            key_used_at=now,
        )
    refund.tries += 1
    refund.next_try_at = now + timedelta(seconds=LEASE_SECONDS)
    refund.save()
    return refund


def name_of(payment: Payment, refund: Refund) -> str:
    """Return the name of an attempt, stored with its refund at the provider."""
    return f"{payment.payment_id}:{refund.attempt}"


def idempotency_key_of(payment: Payment, refund: Refund) -> str:
    """Return the idempotency key that an attempt is sent with at present."""
    name = name_of(payment, refund)
    return name if refund.key_number == 1 else f"{name}:{refund.key_number}"


@retrying_transaction
def prepare_resend(payment: Payment, sent: Refund, listed: list[ListedRefund]) -> bool:
    """Commit the key of an attempt that the provider's list does not show; say whether to send it again.

    False when another worker has taken the attempt over. Also when the list shows refunds that are not recorded here,
    or less is due than the attempt is for: then it is left to staff. `sent` gets the key that was committed.
    """
    locked = payment_records.lock(payment)
    refund = Refund.objects.get(pk=sent.pk)
    if refund.status != Status.SENT or refund.tries != sent.tries:
        return False
    if detail := _doubt_about(refund, locked, listed):
        refund.next_try_at, refund.last_error = None, detail[:NOTE_LENGTH]
        refund.save()
        log.warning("refund of payment %s is left to staff: %s", payment.payment_id, detail)
        return False
    now = clock.now()
    if refund.key_is_spent or now - (refund.key_used_at or refund.created_at) > timedelta(seconds=KEY_LIFE_SECONDS):
        refund.key_number += 1
        refund.key_used_at, refund.key_is_spent = now, False
        refund.save()
    sent.key_number = refund.key_number
    return True


@retrying_transaction
def store_answer(payment: Payment, sent: Refund, answer: RefundAnswer) -> None:
    """Commit the provider's answer to an attempt, unless the outcome is recorded already.

    An answer that comes after another worker took the attempt over counts only when it is an acceptance.
    """
    locked = payment_records.lock(payment)
    refund = Refund.objects.get(pk=sent.pk)
    is_late = refund.tries != sent.tries and answer.outcome != RefundOutcome.ACCEPTED
    if refund.status != Status.SENT or is_late:
        return
    now = clock.now()
    refund.last_error = answer.detail[:NOTE_LENGTH]
    if answer.outcome == RefundOutcome.UNKNOWN:
        _schedule_look_up(refund, answer, now)
        return
    refund.refund_id, refund.answered_at = answer.refund_id, now
    if answer.outcome == RefundOutcome.REFUSED:
        refund.status = Status.REFUSED
        refused = (refund.attempt or 1) - (_last_accepted(locked).first() or 0)
        refund.next_try_at = now + _backoff(refused, REFUSED_BASE_SECONDS, REFUSED_CAP_SECONDS)
        refund.save()
        is_retried = refused < MAX_ATTEMPTS
        payment_events.record_failed(locked, refund, is_retried=is_retried, previous_status=locked.status)
        return
    refund.status, refund.next_try_at = Status.ACCEPTED, None
    refund.save()
    # An event may have reported the refund before this answer came.
    unrecorded = refunded_after(refund, locked) - locked.amount_refunded_by_provider
    if unrecorded > 0 and locked.status != Payment.Status.REFUNDED:
        payment_records.record_refund(locked, amount=min(unrecorded, locked.amount - locked.refunded_amount))


def _enabled() -> list[str]:
    """Return the providers that are set up for refunds through their APIs."""
    return [name for name, client in REFUND_CLIENTS.items() if client.is_enabled()]


def _made_by_another_shop(provider: OuterRef | str, payment_id: OuterRef | str) -> QuerySet[PaymentAttempt]:
    """Return the attempts that made a payment under another name, as in a restored copy: its money is that shop's."""
    made = PaymentAttempt.objects.filter(Q(payment_id=payment_id) | Q(object_id=payment_id), provider=provider)
    return made.exclude(shop_id=settings.SHOP_ID)


def _last_accepted(payment: OuterRef | Payment) -> QuerySet[Refund, int | None]:
    """Return the number of a payment's last attempt that was accepted, also if it failed later; no row without one."""
    accepted = Refund.objects.filter(
        payment=payment, status__in=[Status.ACCEPTED, Status.FAILED], attempt__isnull=False
    )
    return accepted.order_by("-attempt").values_list("attempt", flat=True)[:1]


def _doubt_about(refund: Refund, payment: Payment, listed: list[ListedRefund]) -> str:
    """Return why an attempt that the provider's list does not show must not be sent again; empty when it may."""
    if unrecorded := _unrecorded(listed, payment):
        return (
            f"The provider lists refunds that are not known here: {', '.join(unrecorded)}. Please compare and decide."
        )
    if refund.amount > payment.amount_due:
        return "Less is due for refund than this attempt was for. Please compare and decide."
    return ""


def _unrecorded(listed: list[ListedRefund], payment: Payment) -> list[str]:
    """Return the ids of listed refunds that are not recorded for a locked payment.

    Of refunds that this shop did not send, only the sum is recorded, from the provider's events.
    """
    own = payment.refunds.filter(attempt__isnull=False, refund_id__isnull=False)
    own_ids = set(own.values_list("refund_id", flat=True))
    own_amount = own.filter(status=Status.ACCEPTED).aggregate(sum=Sum("amount", default=Decimal(0)))["sum"]
    others = [listing for listing in listed if listing.is_in_effect and listing.refund_id not in own_ids]
    recorded = max(payment.amount_refunded_by_provider - own_amount, Decimal(0))
    if sum((listing.amount for listing in others), Decimal(0)) <= recorded:
        return []
    return [listing.refund_id for listing in others]


def _schedule_look_up(refund: Refund, answer: RefundAnswer, now: datetime) -> None:
    """Store that an attempt has no definite answer yet, and when it is looked up next, if at all."""
    wait = _backoff(refund.tries, UNKNOWN_BASE_SECONDS, UNKNOWN_CAP_SECONDS)
    if answer.key_is_spent:
        refund.key_is_spent = True
        wait += timedelta(seconds=LISTING_DELAY_SECONDS)
    refund.next_try_at = None if refund.tries >= MAX_TRIES else now + wait
    refund.save()


def _backoff(tries: int, base_seconds: float, cap_seconds: float) -> timedelta:
    return backoff.full_jitter(tries, base_seconds=base_seconds, cap_seconds=cap_seconds)

"""Events about refunds: money that the provider gave back, or that could not be delivered.

Every function runs inside a transaction that holds the event's and, where there is one, the order's row lock.
"""

from decimal import Decimal

from django.db.models import QuerySet

from payments import payment_records, refunds
from payments.inbox.rules.verdicts import Verdict, applied, ignore, review
from payments.models import Payment, Refund, WebhookEvent

KINDS = frozenset({WebhookEvent.Kind.REFUNDED, WebhookEvent.Kind.REFUND_FAILED})


def payment_named_in(event: WebhookEvent, payments: QuerySet[Payment]) -> Payment | None:
    """Return the one payment among these that an event about a refund can mean, else None."""
    if event.payment_ref:
        payments = payments.filter(provider=event.provider, payment_id=event.payment_ref)
    candidates = list(payments[:2])
    return candidates[0] if len(candidates) == 1 else None


def doubt_about(event: WebhookEvent, payments: QuerySet[Payment]) -> Verdict | None:
    """Return the verdict on an event about a refund that may be outdated or cannot be applied, else None."""
    payment = payment_named_in(event, payments)
    if payment is None:
        return review("payment_unknown")
    if event.currency and event.currency != payment.currency:
        return review("currency_differs")
    if event.kind == WebhookEvent.Kind.REFUND_FAILED:
        # A partial refund that was not asked for here: only staff know whether the money is still owed.
        is_doubtful = payment.status == Payment.Status.APPLIED and not _is_own(event, payment)
        return review("refund_failed") if is_doubtful else None
    # A running total may have been computed before a refund failed, and arrive after the news of that.
    may_be_outdated = event.amount_is_total and payment.refunds.filter(status=Refund.Status.FAILED).exists()
    if not may_be_outdated or not _newly_refunded(event, payment) > 0:
        return None
    if payment.refunds.filter(status=Refund.Status.SENT).exists():
        return ignore("own_refund_under_way")
    return review("refund_after_a_failed_one")


def verdict_on_amount(event: WebhookEvent, payment: Payment) -> Verdict | None:
    """Return the verdict on money given back that changes nothing, by what is left of its payment, else None."""
    amount = _newly_refunded(event, payment)
    if payment.status == Payment.Status.REFUNDED or amount <= 0:
        return ignore("already_refunded")
    return review("refund_exceeds_payment") if payment.refunded_amount + amount > payment.amount else None


def verdict_on_failure(event: WebhookEvent, payment: Payment) -> Verdict | None:
    """Return the verdict on a failed refund that is recorded already, or that is not named, else None."""
    if event.refund_ref is None:
        return review("refund_unknown")
    failed = payment.refunds.filter(refund_id=event.refund_ref, status=Refund.Status.FAILED)
    return ignore("already_failed") if failed.exists() else None


def apply(event: WebhookEvent, payments: QuerySet[Payment]) -> Verdict:
    """Record what the event says about its payment, one of these."""
    payment = payment_named_in(event, payments)
    if payment is None:
        return review("payment_unknown")
    payment = payment_records.lock(payment)
    if event.kind == WebhookEvent.Kind.REFUND_FAILED:
        return _apply_failure(event, payment)
    return _apply_refund(event, payment)


def _apply_failure(event: WebhookEvent, payment: Payment) -> Verdict:
    if event.refund_ref is None:
        return review("refund_unknown")
    if verdict := verdict_on_failure(event, payment):
        return verdict
    amount = payment.amount if event.amount is None else event.amount
    refunds.record_failure(payment, refund_id=event.refund_ref, amount=amount)
    return applied("refund_failed")


def _apply_refund(event: WebhookEvent, payment: Payment) -> Verdict:
    if verdict := verdict_on_amount(event, payment):
        return verdict
    payment_records.record_refund(payment, amount=_newly_refunded(event, payment))
    return applied("refunded")


def _newly_refunded(event: WebhookEvent, payment: Payment) -> Decimal:
    """Return by how much this event raises the refunded amount.

    Without an amount of its own it speaks of what is due, and where nothing is due, of the rest. A running total does
    not include what staff gave back by other means.
    """
    if event.amount is None:
        return payment.amount_due or payment.amount - payment.refunded_amount
    return event.amount - payment.amount_refunded_by_provider if event.amount_is_total else event.amount


def _is_own(event: WebhookEvent, payment: Payment) -> bool:
    """Say whether a refund that failed was an attempt of this shop."""
    if event.refund_ref is None:
        return False
    amount = payment.amount if event.amount is None else event.amount
    return refunds.find_own(payment, refund_id=event.refund_ref, amount=amount) is not None

"""Refunds that this shop did not send: recorded by staff, or reported by their provider when they failed."""

from decimal import Decimal
from typing import Any

from flashsale.core import clock
from flashsale.core.refusals import Refusal
from flashsale.core.submissions.once import retrying_transaction_once
from payments import payment_records
from payments.models import Payment, Refund


class AlreadyRefunded(Refusal):
    code = "payment_already_refunded"
    title = "Payment is already refunded"


class RefundUnderWay(Refusal):
    code = "refund_under_way"
    title = "The provider was asked for this refund and has not answered yet"


class AlreadyFailed(Exception):
    """The failure of this refund is recorded already."""


@retrying_transaction_once
def mark_refunded(payment: Payment, *, staff: Any, note: str) -> Payment:
    """Record that staff gave the rest of a payment back by other means; `note` says how. Returns the payment.

    Raises `AlreadyRefunded`, and `RefundUnderWay` while a provider's answer is still to come.
    """
    locked = payment_records.lock(payment)
    if locked.status == Payment.Status.REFUNDED:
        raise AlreadyRefunded
    if locked.refunds.filter(status=Refund.Status.SENT, next_try_at__isnull=False).exists():
        raise RefundUnderWay
    locked.refunded_by, locked.refunded_note = staff, note
    payment_records.record_refund(locked, amount=locked.amount - locked.refunded_amount)
    return locked


def record_failure(payment: Payment, *, refund_id: str, amount: Decimal) -> None:
    """Record that a refund of a locked payment failed after its provider had accepted it. Raises `AlreadyFailed`.

    `amount` is in units of the payment's currency. A refund whose answer is still missing is recognised by its amount.
    """
    refund = payment.refunds.filter(refund_id=refund_id).first()
    if refund is not None and refund.status == Refund.Status.FAILED:
        raise AlreadyFailed
    if refund is None:
        refund = payment.refunds.filter(status=Refund.Status.SENT, amount=amount).first()
    if refund is None:
        refund = Refund(payment=payment, created_at=clock.now())
    refund.status, refund.refund_id, refund.amount = Refund.Status.FAILED, refund_id, amount
    refund.next_try_at, refund.answered_at = None, clock.now()
    refund.save()
    payment_records.reverse_refund(payment, amount=amount)

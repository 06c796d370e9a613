"""What becomes of refunds: given back by staff in other ways, or reported by their provider when they failed."""

from decimal import Decimal
from typing import Any

from django.db.models import F
from django.db.models.functions import Greatest

from flashsale.core import clock, money
from flashsale.core.refusals import Refusal
from flashsale.core.submissions.once import retrying_transaction_once
from payments import payment_records
from payments.models import Payment, Refund, RefundRequest
from payments.refunds.refusals import RefundChanged


class AlreadyRefunded(Refusal):
    code = "payment_already_refunded"
    title = "Payment is already refunded"


class RefundUnderWay(Refusal):
    code = "refund_under_way"
    title = "The provider was asked for this refund and has not answered yet"


class AlreadyFailed(Exception):
    """The failure of this refund is recorded already."""


@retrying_transaction_once
def mark_refunded(payment: Payment, *, staff: Any, note: str, expected: Decimal | None = None) -> Payment:
    """Record that staff gave back by other means what is due of a payment; `note` says how. Returns the payment.

    Where nothing is due, and nothing was asked for, it is all that is left of the payment. With `expected`, the amount
    that the caller has seen, in units of the payment's currency, nothing is done when it has changed. Raises
    `NotFound`, `AlreadyRefunded`, `RefundChanged`, and `RefundUnderWay` while a provider's answer is still to come.
    """
    locked = payment_records.lock(payment)
    if locked.is_refund_done:
        back, paid = (money.written(amount, locked.currency) for amount in (locked.refunded_amount, locked.amount))
        raise AlreadyRefunded(f"Nothing is due any more: {back} of {paid} are already refunded.")
    if locked.refunds.filter(status=Refund.Status.SENT, next_try_at__isnull=False).exists():
        raise RefundUnderWay
    amount = locked.amount_to_mark
    if expected not in (None, amount):
        due = money.written(amount, locked.currency)
        raise RefundChanged(f"Another refund was asked for or made meanwhile; now {due} would be recorded.")
    payment_records.record_refund_by_other_means(locked, amount=amount, staff=staff, note=note)
    RefundRequest.objects.create(
        payment=locked, amount=amount, by_other_means=True, requested_by=staff, note=note, created_at=clock.now()
    )
    return locked


def record_failure(payment: Payment, *, refund_id: str, amount: Decimal) -> None:
    """Record that a refund of a locked payment failed after its provider had accepted it. Raises `AlreadyFailed`.

    `amount` is in units of the payment's currency. A refund whose answer is still missing is recognised by its amount.
    """
    refund = payment.refunds.filter(refund_id=refund_id).first() or find_own(
        payment, refund_id=refund_id, amount=amount
    )
    if refund is not None and refund.status == Refund.Status.FAILED:
        raise AlreadyFailed
    was_recorded = refund is None or _is_recorded(refund, payment)
    if refund is None:
        refund = Refund(payment=payment, created_at=clock.now())
    refund.status, refund.refund_id, refund.amount = Refund.Status.FAILED, refund_id, amount
    refund.next_try_at, refund.answered_at = None, clock.now()
    refund.save()
    if was_recorded:
        left = Greatest(F("refunded_before") - amount, Decimal(0))
        payment.refunds.filter(status=Refund.Status.SENT, refunded_before__isnull=False).update(refunded_before=left)
    payment_records.reverse_refund(payment, refund, amount=amount if was_recorded else Decimal(0))


def find_own(payment: Payment, *, refund_id: str, amount: Decimal) -> Refund | None:
    """Return the attempt of this shop that the provider calls `refund_id`; one without an answer by its amount."""
    own = payment.refunds.filter(attempt__isnull=False)
    by_id = own.filter(refund_id=refund_id).first()
    return by_id or own.filter(status=Refund.Status.SENT, amount=amount).first()


def _is_recorded(refund: Refund, payment: Payment) -> bool:
    """Say whether an attempt's money is recorded as given back: by its answer, or by an event before the answer."""
    if refund.status == Refund.Status.SENT:
        return payment.amount_refunded_by_provider >= refunded_after(refund, payment)
    return refund.status == Refund.Status.ACCEPTED


def refunded_after(refund: Refund, payment: Payment) -> Decimal:
    """Return how much the payment's provider has given back at least, once an attempt is accepted."""
    before = payment.amount - refund.amount if refund.refunded_before is None else refund.refunded_before
    return before + refund.amount

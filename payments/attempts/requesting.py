"""A buyer asks for the payment of an order: stored first, then made at the provider, then shown."""

import time
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from checkout import orders
from flashsale.core import clock, greenlets
from payments import attempt_records
from payments.attempt_records import Answered
from payments.attempts import asking, batching
from payments.attempts.deciding import PaymentRequest
from payments.attempts.refusals import PaymentClosed, PaymentNotPossible
from payments.models import PaymentAttempt

Status = PaymentAttempt.Status


@dataclass(frozen=True, kw_only=True)
class AttemptView:
    """An attempt at database time `read_at`; `is_new` when it is answered as open for the first time."""

    attempt: PaymentAttempt
    read_at: datetime
    is_new: bool = False

    @property
    def is_open(self) -> bool:
        """Whether it can be paid: its secrets may be shown."""
        return self.attempt.status == Status.OPEN


def request(order_id: UUID, *, return_url: str = "") -> AttemptView:
    """Return the payment of a pending order, made at the provider unless it was before.

    It is `creating` when the provider has not answered yet: ask again. Two requests at once, or a repeated one, get the
    same payment. Raises `NotFound`, `OrderAlreadyPaid`, `OrderNotPending`, `PaymentClosed`, `PaymentNotPossible`,
    `PaymentProviderUnavailable` when nothing was stored, and `InvalidRequest` for hosted checkout without `return_url`.
    """
    started, answer = time.monotonic(), None
    with asking.place() as place:
        found = batching.find_or_add(PaymentRequest(order_id, return_url, place.take))
        if found.question is not None:
            answer = asking.ask_in_slot(found.question, started=started)
    if found.question is not None and answer is not None:
        stored = batching.store(Answered(found.question, answer, is_shown=True))
        return _view(stored.attempt, read_at=stored.read_at, is_first_shown=stored.is_first_shown)
    if found.attempt.status == Status.CREATING and asking.ask_in_request(found.attempt.pk):
        return _view(*_read(found.attempt.pk))
    return _view(found.attempt, read_at=found.read_at)


def _view(attempt: PaymentAttempt, read_at: datetime, *, is_first_shown: bool = False) -> AttemptView:
    """Return what is answered about an attempt; raises what it means when it has ended."""
    if attempt.status == Status.FAILED:
        raise PaymentNotPossible("The payment provider refused this payment.")
    if attempt.status == Status.SUCCEEDED:
        raise orders.OrderAlreadyPaid
    if attempt.status in (Status.CLOSING, Status.CLOSED) or read_at >= attempt.pay_until:
        raise PaymentClosed("This payment was closed.")
    is_unshown = attempt.status == Status.OPEN and attempt.shown_at is None
    is_new = is_first_shown or (is_unshown and attempt_records.mark_shown(attempt.pk))
    return AttemptView(attempt=attempt, read_at=read_at, is_new=is_new)


@greenlets.offloaded
def _read(attempt_id: UUID) -> tuple[PaymentAttempt, datetime]:
    return PaymentAttempt.objects.get(pk=attempt_id), clock.now()

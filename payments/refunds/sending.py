"""Automatic refunds through the providers' APIs.

A refund is sent in three steps, and the process may die after each: the attempt is committed as `sent`, it is sent
outside any transaction, the answer is committed. An attempt without an answer is looked up in the provider's list
before it is sent again with the same amount; only after a definite refusal does another attempt begin.
"""

import logging
import time

from flashsale.core import clock
from payments import request_slots
from payments.models import Payment, Refund
from payments.providers import REFUND_CLIENTS
from payments.providers.base import ListedRefund, LookUpFailed, RefundAnswer, RefundOutcome
from payments.refunds import attempts

log = logging.getLogger(__name__)

BATCH_ROWS = 100
RUN_SECONDS = 45
# How long each request waits for its slot: with both, and their time-outs, less than the lease of an attempt.
SLOT_WAIT_SECONDS = 10.0
NO_SLOT = "Too many requests wait to be sent to the provider; this one was not."


def send_due(*, limit: int = BATCH_ROWS) -> int:
    """Refund what is due through the providers that allow it; return how many attempts were made, at most `limit`.

    Ends early after `RUN_SECONDS`, and at the limit of refunds in an hour.
    """
    sent, started = 0, time.monotonic()
    for payment in attempts.due(clock.now())[:limit]:
        if time.monotonic() - started > RUN_SECONDS:
            break
        try:
            refund = attempts.begin(payment)
        except attempts.LimitReached:
            log.warning("automatic refunds have reached STRIPE_REFUNDS_PER_HOUR; the others wait")
            break
        if refund is not None:
            _carry_out(payment, refund)
            sent += 1
    return sent


def _carry_out(payment: Payment, refund: Refund) -> None:
    """Send a begun attempt, after a look-up when it may have been sent before, and store the answer."""
    if refund.tries > 1:
        try:
            listed = _look_up(payment)
        except LookUpFailed as error:
            answer = RefundAnswer(outcome=RefundOutcome.UNKNOWN, detail=f"Look-up: {error}")
            attempts.store_answer(payment, refund, answer)
            return
        if (answer_in_list := _answer_in(listed, payment, refund)) is not None:
            attempts.store_answer(payment, refund, answer_in_list)
            return
        if not attempts.prepare_resend(payment, refund, listed):
            return
    attempts.store_answer(payment, refund, _send(payment, refund))


def _look_up(payment: Payment) -> list[ListedRefund]:
    """Return what the provider lists of a payment. Raises `LookUpFailed`."""
    client = REFUND_CLIENTS[payment.provider]
    if not request_slots.wait_for(client.slot_of("look_up"), seconds=SLOT_WAIT_SECONDS):
        raise LookUpFailed(NO_SLOT)
    return client.look_up(payment.payment_id, currency=payment.currency)


def _send(payment: Payment, refund: Refund) -> RefundAnswer:
    client = REFUND_CLIENTS[payment.provider]
    if not request_slots.wait_for(client.slot_of("refund"), seconds=SLOT_WAIT_SECONDS):
        return RefundAnswer(outcome=RefundOutcome.UNKNOWN, detail=NO_SLOT)
    return client.refund(
        payment.payment_id,
        amount=refund.amount,
        currency=payment.currency,
        key=attempts.idempotency_key_of(payment, refund),
        attempt=attempts.name_of(payment, refund),
    )


def _answer_in(listed: list[ListedRefund], payment: Payment, refund: Refund) -> RefundAnswer | None:
    """Return what the provider's list says about this attempt, or None when it does not show it."""
    of_attempt = [listing for listing in listed if listing.attempt == attempts.name_of(payment, refund)]
    if not of_attempt:
        return None
    listing = next((listing for listing in of_attempt if listing.is_in_effect), of_attempt[0])
    outcome = RefundOutcome.ACCEPTED if listing.is_in_effect else RefundOutcome.REFUSED
    return RefundAnswer(outcome=outcome, refund_id=listing.refund_id, detail="Found in the provider's list.")

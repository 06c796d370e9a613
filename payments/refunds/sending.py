"""Automatic refunds through the providers' APIs.

A refund is sent in three steps, and the process may die after each: the attempt is committed as `sent`, it is sent
outside any transaction, the answer is committed. An attempt without an answer is looked up in the provider's list
before it is sent again with the same amount; only after a definite refusal does another attempt begin.
"""

import logging
import time

from flashsale.core import clock
from payments.models import Payment, Refund
from payments.providers import REFUND_CLIENTS
from payments.providers.base import ListedRefund, LookUpFailed, RefundAnswer, RefundOutcome
from payments.refunds import attempts

log = logging.getLogger(__name__)

BATCH_ROWS = 100
RUN_SECONDS = 45


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
            listed = REFUND_CLIENTS[payment.provider].look_up(payment.payment_id, currency=payment.currency)
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


def _send(payment: Payment, refund: Refund) -> RefundAnswer:
    return REFUND_CLIENTS[payment.provider].refund(
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

"""Refunds through Stripe's API.

Source: https://docs.stripe.com/api/refunds/create, https://docs.stripe.com/api/idempotent_requests and
https://docs.stripe.com/error-low-level.
"""

from decimal import Decimal
from http import HTTPStatus

import stripe
from django.conf import settings

from payments.providers.base import RefundAnswer, RefundOutcome
from payments.providers.stripe import exponent_of

CONNECT_TIMEOUT_SECONDS = 5
READ_TIMEOUT_SECONDS = 20
ALREADY_REFUNDED = "charge_already_refunded"
NOT_GIVEN_BACK = frozenset({"failed", "canceled"})
# A refusal of the request itself. Wrong keys, conflicts, rate limits and faults of the server are no answer to it.
DEFINITE = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.PAYMENT_REQUIRED, HTTPStatus.NOT_FOUND})


class StripeRefunds:
    def is_enabled(self) -> bool:
        return settings.STRIPE_AUTO_REFUND

    def refund(self, payment_id: str, *, amount: Decimal, currency: str, key: str) -> RefundAnswer:
        params = {"payment_intent": payment_id, "amount": int(amount.scaleb(exponent_of(currency)))}
        try:
            refund = _client().v1.refunds.create(params, {"idempotency_key": key})
        except stripe.StripeError as error:
            return _answer_in(error)
        if refund.status in NOT_GIVEN_BACK:
            detail = f"The refund is {refund.status}: {refund.failure_reason or 'no reason given'}."
            return RefundAnswer(outcome=RefundOutcome.REFUSED, refund_id=refund.id, detail=detail)
        return RefundAnswer(outcome=RefundOutcome.ACCEPTED, refund_id=refund.id)


def _client() -> stripe.StripeClient:
    """Return a client that never repeats a request by itself: when to do so is decided from the database."""
    return stripe.StripeClient(
        settings.STRIPE_API_KEY,
        base_addresses={"api": settings.STRIPE_API_BASE},
        http_client=stripe.RequestsClient(timeout=(CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS)),
        max_network_retries=0,
    )


def _answer_in(error: stripe.StripeError) -> RefundAnswer:
    detail = f"{type(error).__name__} {error.http_status or ''}: {error.user_message or error}"
    if error.code == ALREADY_REFUNDED:
        return RefundAnswer(outcome=RefundOutcome.ACCEPTED, detail=detail)
    is_definite = error.http_status in DEFINITE and not isinstance(error, stripe.IdempotencyError)
    return RefundAnswer(outcome=RefundOutcome.REFUSED if is_definite else RefundOutcome.UNKNOWN, detail=detail)

"""Refunds through Stripe's API.

Source: https://docs.stripe.com/api/refunds/create, https://docs.stripe.com/api/refunds/list,
https://docs.stripe.com/api/idempotent_requests and https://docs.stripe.com/error-low-level.
"""

from decimal import Decimal
from http import HTTPStatus
from typing import Any

import stripe
from django.conf import settings
from stripe.params import RefundCreateParams

from payments.providers.base import ListedRefund, LookUpFailed, RefundAnswer, RefundOutcome
from payments.providers.stripe.events import exponent_of

CONNECT_TIMEOUT_SECONDS = 5
READ_TIMEOUT_SECONDS = 20
ALREADY_REFUNDED = "charge_already_refunded"
ATTEMPT = "refund_attempt"
LISTED_REFUNDS = 100
FAILED_STATUSES = frozenset({"failed", "canceled"})
# Statuses that refuse the refund itself. After a wrong API key, a conflict, a rate limit or a server error its outcome
# is unknown.
DEFINITE = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.PAYMENT_REQUIRED, HTTPStatus.NOT_FOUND})


class StripeRefunds:
    def is_enabled(self) -> bool:
        return settings.STRIPE_AUTO_REFUND

    def refund(self, payment_id: str, *, amount: Decimal, currency: str, key: str, attempt: str) -> RefundAnswer:
        params: RefundCreateParams = {
            "payment_intent": payment_id,
            "amount": int(amount.scaleb(exponent_of(currency))),
            "metadata": {ATTEMPT: attempt},
        }
        try:
            refund = _client().v1.refunds.create(params, {"idempotency_key": key})
        except stripe.StripeError as error:
            return _answer_in(error)
        if refund.status in FAILED_STATUSES:
            detail = f"The refund is {refund.status}: {refund.failure_reason or 'no reason given'}."
            return RefundAnswer(outcome=RefundOutcome.REFUSED, refund_id=refund.id, detail=detail)
        return RefundAnswer(outcome=RefundOutcome.ACCEPTED, refund_id=refund.id)

    def look_up(self, payment_id: str, *, currency: str) -> list[ListedRefund]:
        try:
            page = _client().v1.refunds.list({"payment_intent": payment_id, "limit": LISTED_REFUNDS})
        except stripe.StripeError as error:
            raise LookUpFailed(_describe(error)) from error
        listed = page.to_dict()
        if listed.get("has_more"):
            raise LookUpFailed(f"The payment has more than {LISTED_REFUNDS} refunds.")
        try:
            return [_listed(refund, currency) for refund in listed["data"]]
        except (KeyError, TypeError, ValueError) as error:
            raise LookUpFailed("Stripe's list cannot be read.") from error


def _listed(refund: dict[str, Any], currency: str) -> ListedRefund:
    return ListedRefund(
        refund_id=refund["id"],
        amount=Decimal(refund["amount"]).scaleb(-exponent_of(currency)),
        is_in_effect=refund["status"] not in FAILED_STATUSES,
        attempt=(refund.get("metadata") or {}).get(ATTEMPT, ""),
    )


def _client() -> stripe.StripeClient:
    """Return a client without automatic retries: the stored attempts decide when a request is repeated."""
    return stripe.StripeClient(
        settings.STRIPE_API_KEY,
        base_addresses={"api": settings.STRIPE_API_BASE},
        http_client=stripe.RequestsClient(timeout=(CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS)),
        max_network_retries=0,
    )


def _describe(error: stripe.StripeError) -> str:
    return f"{type(error).__name__} {error.http_status or ''}: {error.user_message or error}"


def _answer_in(error: stripe.StripeError) -> RefundAnswer:
    detail, status = _describe(error), error.http_status or 0
    if error.code == ALREADY_REFUNDED:
        return RefundAnswer(outcome=RefundOutcome.ACCEPTED, detail=detail)
    is_about_the_key = isinstance(error, stripe.IdempotencyError)
    if status in DEFINITE and not is_about_the_key:
        return RefundAnswer(outcome=RefundOutcome.REFUSED, detail=detail)
    # Stripe stored a server error for the key, or the key was used before with other parameters.
    is_spent = status >= HTTPStatus.INTERNAL_SERVER_ERROR or (is_about_the_key and status in DEFINITE)
    return RefundAnswer(outcome=RefundOutcome.UNKNOWN, detail=detail, key_is_spent=is_spent)

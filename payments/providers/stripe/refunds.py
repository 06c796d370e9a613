"""Refunds through Stripe's API.

Source: https://docs.stripe.com/api/refunds/create, https://docs.stripe.com/api/refunds/list,
https://docs.stripe.com/api/idempotent_requests and https://docs.stripe.com/error-low-level.
"""

from decimal import Decimal

from django.conf import settings
from stripe.params import RefundCreateParams, RefundListParams

from payments.providers.base import ListedRefund, LookUpFailed, RefundAnswer, RefundCall, RefundOutcome
from payments.providers.stripe.api import REFUNDS, Json, RequestFailed, ask
from payments.providers.stripe.events import exponent_of
from payments.providers.stripe.limits import minor_units

REQUEST_SECONDS = 20
ALREADY_REFUNDED = "charge_already_refunded"
ATTEMPT, SHOP = "refund_attempt", "shop_id"
LISTED_REFUNDS = 100
# Each has a rate limit of its own at Stripe.
ENDPOINTS: dict[RefundCall, str] = {"refund": f"POST {REFUNDS}", "look_up": f"GET {REFUNDS}"}
FAILED_STATUSES = frozenset({"failed", "canceled"})


class StripeRefunds:
    def is_enabled(self) -> bool:
        return settings.STRIPE_AUTO_REFUND

    def slot_of(self, call: RefundCall) -> str:
        return f"stripe {ENDPOINTS[call]}"

    def refund(self, payment_id: str, *, amount: Decimal, currency: str, key: str, attempt: str) -> RefundAnswer:
        of_shop = {SHOP: settings.SHOP_ID} if settings.SHOP_ID else {}
        params: RefundCreateParams = {
            "payment_intent": payment_id,
            "amount": minor_units(amount, currency),
            "metadata": {ATTEMPT: attempt} | of_shop,
        }
        try:
            refund = ask("post", REFUNDS, params, key=key, seconds=REQUEST_SECONDS)
        except RequestFailed as error:
            return _answer_in(error)
        return _answer_with(refund)

    def look_up(self, payment_id: str, *, currency: str) -> list[ListedRefund]:
        params: RefundListParams = {"payment_intent": payment_id, "limit": LISTED_REFUNDS}
        try:
            listed = ask("get", REFUNDS, params, seconds=REQUEST_SECONDS)
        except RequestFailed as error:
            raise LookUpFailed(str(error)) from error
        if listed.get("has_more"):
            raise LookUpFailed(f"The payment has more than {LISTED_REFUNDS} refunds.")
        try:
            return [_listed(refund, currency) for refund in listed["data"]]
        except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError) as error:
            raise LookUpFailed("Stripe's list cannot be read.") from error


def _listed(refund: Json, currency: str) -> ListedRefund:
    """Return a refund of a list. One that another shop made, or a copy of this one, is not of any attempt of ours."""
    metadata = refund.get("metadata") or {}
    is_ours = metadata.get(SHOP) in (None, "", settings.SHOP_ID)
    return ListedRefund(
        refund_id=str(refund["id"]),
        amount=Decimal(int(refund["amount"])).scaleb(-exponent_of(currency)),
        is_in_effect=refund["status"] not in FAILED_STATUSES,
        attempt=str(metadata.get(ATTEMPT, "")) if is_ours else "",
    )


def _answer_with(refund: Json) -> RefundAnswer:
    """Return what a refund says that Stripe made; it is looked up where it cannot be read."""
    refund_id, status = refund.get("id"), refund.get("status")
    if not isinstance(refund_id, str) or not isinstance(status, str):
        return RefundAnswer(outcome=RefundOutcome.UNKNOWN, detail="Stripe's answer cannot be read.")
    if status in FAILED_STATUSES:
        detail = f"The refund is {status}: {refund.get('failure_reason') or 'no reason given'}."
        return RefundAnswer(outcome=RefundOutcome.REFUSED, refund_id=refund_id, detail=detail)
    return RefundAnswer(outcome=RefundOutcome.ACCEPTED, refund_id=refund_id)


def _answer_in(error: RequestFailed) -> RefundAnswer:
    detail = str(error)
    if error.code == ALREADY_REFUNDED:
        return RefundAnswer(outcome=RefundOutcome.ACCEPTED, detail=detail)
    if error.is_refusal or error.is_missing:
        return RefundAnswer(outcome=RefundOutcome.REFUSED, detail=detail)
    return RefundAnswer(outcome=RefundOutcome.UNKNOWN, detail=detail, key_is_spent=error.is_key_spent)

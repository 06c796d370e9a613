"""Payment intents.

Source: https://docs.stripe.com/api/payment_intents.
"""

import secrets
from typing import Any

from flashsale.local_provider.api import charging, currencies, lists, parameters
from flashsale.local_provider.api.errors import UNEXPECTED_STATE, ApiError, missing, refused, unauthorized
from flashsale.local_provider.provider import Provider, Request
from flashsale.local_provider.storage import Thing, shown

KIND = "payment_intent"
REASONS = ("duplicate", "fraudulent", "requested_by_customer", "abandoned")
CREATE_PARAMETERS = frozenset(
    {
        "amount", "automatic_payment_methods", "capture_method", "confirm", "confirmation_method", "currency",
        "customer", "description", "excluded_payment_method_types", "metadata", "payment_method",
        "payment_method_types", "receipt_email", "return_url", "setup_future_usage", "shipping", "statement_descriptor",
        "statement_descriptor_suffix", "transfer_group",
    }
)  # fmt: skip
CONFIRM_PARAMETERS = frozenset(
    {"payment_method", "return_url", "client_secret", "key", "use_stripe_sdk", "off_session"}
)
RETRIEVE_PARAMETERS = frozenset({"client_secret", "key"})
CANCEL_PARAMETERS = frozenset({"cancellation_reason"})
LIST_PARAMETERS = lists.PARAMETERS
# Of what the publishable key may see.
PUBLIC_MEMBERS = (
    "id", "object", "amount", "canceled_at", "cancellation_reason", "client_secret", "created", "currency",
    "last_payment_error", "livemode", "next_action", "payment_method", "payment_method_types", "status",
)  # fmt: skip


def create(provider: Provider, request: Request) -> Thing:
    """Create an intent, and confirm it when `confirm` says so. Raises `ApiError`."""
    params = request.params
    amount = parameters.whole(parameters.required(params, "amount"), name="amount", least=1, most=10**11)
    currency = currencies.check_currency(parameters.text(parameters.required(params, "currency"), name="currency"))
    currencies.check_amount(amount, currency)
    intent = charging.new_intent(provider, amount=amount, currency=currency, metadata=parameters.metadata(params))
    intent["description"] = params.get("description")
    if params.get("payment_method"):
        intent |= {"payment_method": params["payment_method"], "status": "requires_confirmation"}
    provider.storage.put(intent)
    provider.emit("payment_intent.created", intent, request)
    if params.get("confirm") == "true":
        charging.confirm(provider, intent, _payment_method(intent, request), request)
    return shown(intent)


def retrieve(provider: Provider, request: Request) -> Thing:
    """Return an intent, with the publishable key only by its client secret. Raises `ApiError`."""
    return _seen_by(request, find(provider, request))


def confirm(provider: Provider, request: Request) -> Thing:
    """Pay an intent with a test card. Raises `ApiError`, 402 when the card is declined."""
    intent = find(provider, request)
    _check_status(intent, charging.PAYABLE, "confirm")
    try:
        charging.confirm(provider, intent, _payment_method(intent, request), request)
    except ApiError as error:
        if request.is_publishable and KIND in error.body["error"]:
            error.body["error"][KIND] = _seen_by(request, intent)
        raise
    return _seen_by(request, intent)


def cancel(provider: Provider, request: Request) -> Thing:
    """Cancel an intent; with the habit `too_late` it is paid in this moment. Raises `ApiError`."""
    intent = find(provider, request)
    reason = request.params.get("cancellation_reason")
    if reason is not None:
        parameters.choice(reason, *REASONS, name="cancellation_reason")
    if "_session" in intent:
        message = (
            "You cannot cancel PaymentIntents that were created by a Checkout Session. Expire the Checkout Session"
            " instead."
        )
        raise refused(message, code=UNEXPECTED_STATE)
    if provider.habits.cancel == "too_late" and intent["status"] in charging.OPEN:
        charging.succeed(provider, intent)
    _check_status(intent, charging.OPEN, "cancel")
    charging.cancel(provider, intent, reason=reason, request=request)
    return shown(intent)


def list_page(provider: Provider, request: Request) -> dict[str, Any]:
    """Return a page of intents; raises `ApiError`."""
    return lists.page(request, provider.storage.newest_first(KIND), what=KIND)


def find(provider: Provider, request: Request) -> Thing:
    """Return the intent that a request is about; raises `ApiError`."""
    intent = provider.storage.find(KIND, request.object_id)
    if intent is None:
        raise missing(KIND, request.object_id, param="intent")
    if request.is_publishable and not _knows_secret(intent, str(request.params.get("client_secret") or "")):
        raise unauthorized(
            "The client_secret provided does not match the client_secret associated with the PaymentIntent."
        )
    return intent


def _knows_secret(intent: Thing, secret: str) -> bool:
    return secrets.compare_digest(intent["client_secret"].encode(), secret.encode())


def _payment_method(intent: Thing, request: Request) -> str:
    method = request.params.get("payment_method") or intent["payment_method"]
    if not isinstance(method, str):
        message = "You cannot confirm this PaymentIntent because it's missing a payment method."
        raise refused(message, code=UNEXPECTED_STATE, payment_intent=_seen_by(request, intent))
    return method


def _check_status(intent: Thing, statuses: tuple[str, ...], verb: str) -> None:
    if intent["status"] not in statuses:
        message = f"You cannot {verb} this PaymentIntent because it has a status of {intent['status']}."
        raise refused(message, code=UNEXPECTED_STATE, payment_intent=dict(shown(intent)))


def _seen_by(request: Request, intent: Thing) -> Thing:
    if request.is_publishable:
        return {name: intent[name] for name in PUBLIC_MEMBERS}
    return dict(shown(intent))

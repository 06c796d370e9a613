"""What happens to a payment intent when it is paid, declined or canceled, with the events that tell of it.

Source: https://docs.stripe.com/payments/paymentintents/lifecycle.
"""

import secrets

from flashsale.local_provider.api import cards
from flashsale.local_provider.api.errors import ApiError
from flashsale.local_provider.provider import Provider, Request, new_id
from flashsale.local_provider.storage import Thing, shown

PAYABLE = ("requires_payment_method", "requires_confirmation")
# Stripe cancels one in processing "in rare cases": here never.
OPEN = (*PAYABLE, "requires_action", "requires_capture")


def new_intent(provider: Provider, *, amount: int, currency: str, metadata: dict[str, str]) -> Thing:
    """Return a payment intent that is not stored yet."""
    intent_id = new_id("pi")
    return {
        "id": intent_id,
        "object": "payment_intent",
        "amount": amount,
        "amount_capturable": 0,
        "amount_received": 0,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "automatic_async",
        "client_secret": f"{intent_id}_secret_{secrets.token_hex(12)}",
        "confirmation_method": "automatic",
        "created": provider.now(),
        "currency": currency,
        "description": None,
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": metadata,
        "next_action": None,
        "payment_method": None,
        "payment_method_types": ["card"],
        "status": "requires_payment_method",
    }


def confirm(provider: Provider, intent: Thing, payment_method: str, request: Request | None = None) -> None:
    """Charge the card: the intent succeeds, is processing by habit, or stays payable.

    Raises `ApiError` 402 when the card is declined.
    """
    decline = cards.decline_of(payment_method)
    if decline:
        _decline(provider, intent, decline, request)
    intent |= {"payment_method": payment_method, "last_payment_error": None}
    if provider.habits.processing:
        intent["status"] = "processing"
        provider.storage.put(intent)
        provider.emit("payment_intent.processing", intent, request)
        return
    succeed(provider, intent, request)


def succeed(provider: Provider, intent: Thing, request: Request | None = None) -> None:
    """Take the money."""
    charge = take_money(provider, intent)
    provider.emit("charge.succeeded", charge, request)
    provider.emit("payment_intent.succeeded", intent, request)


def take_money(provider: Provider, intent: Thing) -> Thing:
    """Take the money without events. Returns the charge."""
    amount = intent["amount"]
    paid = {"paid": True, "captured": True, "amount_captured": amount, "status": "succeeded"}
    charge = _new_charge(provider, intent) | paid
    intent |= {"status": "succeeded", "amount_received": amount, "latest_charge": charge["id"]}
    provider.storage.put(charge)
    provider.storage.put(intent)
    return charge


def fail(provider: Provider, intent: Thing, error: dict[str, str], request: Request | None = None) -> Thing:
    """Let a try to pay fail; the intent can be paid by another one. Returns the failed charge."""
    failure = {"failure_code": error["code"], "failure_message": error["message"], "status": "failed"}
    charge = _new_charge(provider, intent) | failure
    intent |= {
        "status": "requires_payment_method",
        "payment_method": None,
        "latest_charge": charge["id"],
        "last_payment_error": error | {"charge": charge["id"]},
    }
    provider.storage.put(charge)
    provider.storage.put(intent)
    provider.emit("charge.failed", charge, request)
    provider.emit("payment_intent.payment_failed", intent, request)
    return charge


def cancel(provider: Provider, intent: Thing, *, reason: str | None, request: Request | None = None) -> None:
    """End an intent that was not paid."""
    intent |= {"status": "canceled", "canceled_at": provider.now(), "cancellation_reason": reason}
    provider.storage.put(intent)
    provider.emit("payment_intent.canceled", intent, request)


def _decline(provider: Provider, intent: Thing, error: dict[str, str], request: Request | None) -> None:
    charge = fail(provider, intent, error, request)
    members = {name: value for name, value in error.items() if name not in ("type", "message")}
    raise ApiError(
        402, "card_error", error["message"], **members, charge=charge["id"], payment_intent=dict(shown(intent))
    )


def _new_charge(provider: Provider, intent: Thing) -> Thing:
    return {
        "id": new_id("ch"),
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": 0,
        "amount_refunded": 0,
        "captured": False,
        "created": provider.now(),
        "currency": intent["currency"],
        "disputed": False,
        "failure_code": None,
        "failure_message": None,
        "livemode": False,
        "metadata": dict(intent["metadata"]),
        "paid": False,
        "payment_intent": intent["id"],
        "refunded": False,
        "status": "pending",
    }

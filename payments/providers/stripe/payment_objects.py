"""Payment intents and checkout sessions of Stripe's API, in this shop's terms.

Source: https://docs.stripe.com/api/payment_intents/object, https://docs.stripe.com/api/checkout/sessions/object.
"""

import json
from typing import Any

from checkout.models import PAYMENT_ID_LENGTH
from payments.models.attempts import SECRET_LENGTH, SHOP_ID_LENGTH, URL_LENGTH
from payments.providers.payment_client import PaymentObject, PaymentState
from payments.providers.reading import Reader
from payments.providers.stripe.api import Json
from payments.providers.stripe.events import exponent_of

SUCCEEDED = "payment_intent.succeeded"
STATES_OF_INTENTS = {
    "requires_payment_method": PaymentState.PAYABLE,
    "requires_confirmation": PaymentState.PAYABLE,
    "requires_action": PaymentState.PAYABLE,
    "processing": PaymentState.PROCESSING,
    # Only payments that the shop did not make: the money is reserved, and their maker may take it or not.
    "requires_capture": PaymentState.PROCESSING,
    "succeeded": PaymentState.SUCCEEDED,
    "canceled": PaymentState.ENDED,
}
# What lets its holder pay, or see a payment.
SECRET_MEMBERS = frozenset({"client_secret", "url"})


class Unreadable(Exception):
    """The object lacks what every such object has, or has a value of another kind."""


def of_intent(intent: Json) -> PaymentObject:
    """Return what an intent says; raises `Unreadable`."""
    reader, metadata = Reader(intent), metadata_of(intent)
    status = intent.get("status")
    state = STATES_OF_INTENTS.get(status) if isinstance(status, str) else None
    intent_id, currency = reader.text("id", max_length=PAYMENT_ID_LENGTH), reader.currency("currency")
    amount = reader.minor_units("amount", exponent=exponent_of(currency)) if currency else None
    if state is None or not intent_id or amount is None:
        raise Unreadable
    is_payable = state == PaymentState.PAYABLE
    return PaymentObject(
        object_id=intent_id,
        payment_id=intent_id,
        state=state,
        client_secret=(reader.text("client_secret", max_length=SECRET_LENGTH) or "") if is_payable else "",
        attempt_id=metadata.uuid("attempt_id"),
        shop_id=shop_id_of(intent),
        amount=amount,
        currency=currency,
        event=_success_of(intent, intent_id) if state == PaymentState.SUCCEEDED else None,
    )


def of_session(session: Json, intent: PaymentObject | None) -> PaymentObject:
    """Return what a session says, with its intent where it has one and that was asked for; raises `Unreadable`."""
    reader, metadata = Reader(session), metadata_of(session)
    session_id, currency = reader.text("id", max_length=PAYMENT_ID_LENGTH), reader.currency("currency")
    amount = reader.minor_units("amount_total", exponent=exponent_of(currency)) if currency else None
    if not session_id or amount is None:
        raise Unreadable
    state = _state_of(session, intent)
    return PaymentObject(
        object_id=session_id,
        payment_id=intent_id_in(session),
        state=state,
        url=(reader.text("url", max_length=URL_LENGTH) or "") if state == PaymentState.PAYABLE else "",
        attempt_id=metadata.uuid("attempt_id"),
        shop_id=shop_id_of(session),
        amount=amount,
        currency=currency,
        event=intent.event if intent and state == PaymentState.SUCCEEDED else None,
    )


def intent_id_in(session: Json) -> str | None:
    """Return the id of a session's intent; it has none before the first try to pay. Raises `Unreadable`."""
    intent = session.get("payment_intent")
    reader = Reader({"id": intent.get("id") if isinstance(intent, dict) else intent})
    intent_id = reader.text("id", max_length=PAYMENT_ID_LENGTH)
    if reader.unusable:
        raise Unreadable
    return intent_id


def metadata_of(subject: Json) -> Reader:
    """Return a reader of what the maker of an object wrote into it."""
    metadata = subject.get("metadata")
    return Reader(metadata if isinstance(metadata, dict) else {})


def shop_id_of(subject: Json) -> str:
    """Return the `SHOP_ID` of the shop that made an object, "" where none wrote it."""
    return metadata_of(subject).text("shop_id", max_length=SHOP_ID_LENGTH) or ""


def without_secrets(event: Json) -> bytes:
    """Return the body of an event without what would let its reader pay."""
    data: Any = event.get("data")
    subject: Any = data.get("object") if isinstance(data, dict) else None
    if not isinstance(subject, dict):
        return json.dumps(event).encode()
    shown = {name: value for name, value in subject.items() if name not in SECRET_MEMBERS}
    return json.dumps(event | {"data": data | {"object": shown}}).encode()


def _state_of(session: Json, intent: PaymentObject | None) -> PaymentState:
    """Return what can become of a session; raises `Unreadable`.

    A completed session cannot be paid again: when a payment that took its time fails, that is its end.
    """
    status = session.get("status")
    if status == "complete" and intent is not None:
        return PaymentState.ENDED if intent.state == PaymentState.PAYABLE else intent.state
    if status == "open":
        return PaymentState.PAYABLE
    if status == "expired":
        return PaymentState.ENDED
    raise Unreadable


def _success_of(intent: Json, intent_id: str) -> bytes:
    """Return the event that Stripe would post about an intent that succeeded.

    Its time is that of the intent, the earliest at which it can have been paid: the API does not say when it was, and
    the buyer must not lose what was paid in time because the shop asked late.
    """
    return without_secrets(
        {
            "id": f"{intent_id}:succeeded",
            "object": "event",
            "type": SUCCEEDED,
            "created": intent.get("created"),
            "livemode": intent.get("livemode"),
            "data": {"object": intent},
        }
    )

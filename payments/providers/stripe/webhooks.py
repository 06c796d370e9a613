"""Stripe's webhooks: verified, translated, and sampled.

Source: https://docs.stripe.com/webhooks#verify-events.
"""

import json
import re
import time
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from django.conf import settings
from stripe import SignatureVerificationError, WebhookSignature

from flashsale.core import money
from payments.providers.base import Message, Provider, SignatureMismatch, UnusableSample
from payments.providers.reading import EVENT_ID_SCHEMA
from payments.providers.stripe import events

TOLERANCE_SECONDS = 5 * 60
SIGNATURE_HEADER = "Stripe-Signature"
_HEADER = re.compile(r"t=([0-9]{1,12})(,[a-z0-9]{1,8}=[0-9a-zA-Z+/=]{1,128}){1,16}", re.ASCII)

SAMPLE_TYPES = {
    "success": "payment_intent.succeeded",
    "failure": "payment_intent.canceled",
    "refunded": "charge.refunded",
}


class StripeProvider(Provider):
    name = "stripe"
    title = "Stripe"
    secrets_variable = "STRIPE_WEBHOOK_SECRETS"
    signature_headers = {SIGNATURE_HEADER: "Stripe: `t=...,v1=...`."}
    kept_headers = ("user-agent",)
    body_schema = {
        "type": "object",
        "properties": {
            "id": EVENT_ID_SCHEMA | {"description": "The event's id."},
            "type": {"description": "Such as `payment_intent.succeeded`; unknown types are stored and ignored."},
            "livemode": {"description": "Must be that of this shop (`STRIPE_LIVEMODE`)."},
            "data": {"description": "`object`: the payment intent, session, charge or refund."},
        },
        "required": ["id"],
    }
    sample_statuses = tuple(SAMPLE_TYPES)
    # An intent or session is one attempt to pay: an order that lost one may be paid by the next.
    failures_end_orders = False

    def has_secrets(self) -> bool:
        return bool(settings.STRIPE_WEBHOOK_SECRETS)

    def verify_headers(self, headers: Mapping[str, str]) -> None:
        signature = _HEADER.fullmatch(headers.get(SIGNATURE_HEADER, ""))
        if signature is None:
            raise SignatureMismatch("The signature's header is missing or malformed.")
        # The library accepts timestamps in the future.
        if abs(time.time() - int(signature[1])) > TOLERANCE_SECONDS:
            raise SignatureMismatch("The message's timestamp is too far from now.")

    def verify(self, body: bytes, headers: Mapping[str, str]) -> None:
        self.verify_headers(headers)
        header = headers[SIGNATURE_HEADER]
        if not any(_is_signed_with(secret, body=body, header=header) for secret in settings.STRIPE_WEBHOOK_SECRETS):
            raise SignatureMismatch("No signature matches.")

    def translate(self, body: bytes, headers: Mapping[str, str]) -> Message:
        return events.translate(body)

    def sign(self, body: bytes, *, message_id: str) -> dict[str, str]:
        secrets = settings.STRIPE_WEBHOOK_SECRETS
        signed = WebhookSignature.generate_signature_header(body.decode(), secrets[0]) if secrets else ""
        return {"content-type": "application/json"} | ({SIGNATURE_HEADER: signed} if signed else {})

    def sample(self, *, event_id: str, status: str, members: Mapping[str, str]) -> bytes:
        """Return an event of a payment intent, or of a charge for a refund."""
        if status not in SAMPLE_TYPES:
            raise UnusableSample(f"A status of Stripe is one of {', '.join(SAMPLE_TYPES)}.")
        if not {"payment_id", "amount", "currency"} <= members.keys():
            raise UnusableSample("An event of Stripe names a payment id, an amount and a currency.")
        payment_id, amount = members["payment_id"], _minor_units(members["amount"], members["currency"].upper())
        if status == "refunded":
            subject = {
                "id": f"ch_{event_id}",
                "object": "charge",
                "amount_refunded": amount,
                "payment_intent": payment_id,
            }
        else:
            subject = {"id": payment_id, "object": "payment_intent", "amount": amount, "amount_received": amount}
        metadata = {name: members[name] for name in ("order_id", "hold_id") if name in members}
        event = {
            "id": event_id,
            "object": "event",
            "type": SAMPLE_TYPES[status],
            "created": int(time.time()),
            "livemode": settings.STRIPE_LIVEMODE,
            "data": {"object": subject | {"currency": members["currency"].lower(), "metadata": metadata}},
        }
        return json.dumps(event).encode()


def _is_signed_with(secret: str, *, body: bytes, header: str) -> bool:
    try:
        return bool(WebhookSignature.verify_header(body, header, secret, tolerance=TOLERANCE_SECONDS))
    except (SignatureVerificationError, UnicodeDecodeError):
        return False


def _minor_units(amount: str, currency: str) -> int:
    """Return an amount in Stripe's minor units; raises `UnusableSample`."""
    if not money.is_currency(currency):
        raise UnusableSample("The currency is not an ISO 4217 code.")
    try:
        value = Decimal(amount)
    except InvalidOperation:
        value = Decimal("NaN")
    stored = money.as_stored(value) if value.is_finite() else None
    if stored is None:
        raise UnusableSample("The amount must be positive and have at most three decimals, such as 29.99.")
    return int(stored.scaleb(events.exponent_of(currency)))

"""The plain provider: one flat JSON object for each event, signed as Standard Webhooks specifies.

`{"idempotency_key", "status", "order_id", "hold_id", "payment_id", "amount", "currency"}`; only the key and the status
are always there.
"""

import json
from collections.abc import Mapping

from django.conf import settings

from flashsale.core import webhook_signatures
from flashsale.core.webhook_signatures import ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER
from payments.models import WebhookEvent
from payments.providers.base import Message, Provider, SignatureMismatch, fingerprint_of
from payments.providers.reading import EVENT_ID_SCHEMA, Reader, canonical_amount, event_id_of, members_of, type_of

KIND_OF_STATUS = {
    "success": WebhookEvent.Kind.SUCCESS,
    "failure": WebhookEvent.Kind.FAILURE,
    "failed": WebhookEvent.Kind.FAILURE,
    "refunded": WebhookEvent.Kind.REFUNDED,
}


class StandardProvider(Provider):
    name = "standard"
    title = "Standard Webhooks"
    secrets_variable = "STANDARD_WEBHOOK_SECRETS"
    signature_headers = {
        ID_HEADER: "Standard Webhooks: the message's id.",
        TIMESTAMP_HEADER: "Standard Webhooks: Unix time in seconds, at most five minutes off.",
        SIGNATURE_HEADER: "Standard Webhooks: `v1,` and the base64 of the HMAC-SHA256; several, by spaces.",
    }
    kept_headers = (ID_HEADER, TIMESTAMP_HEADER, "user-agent")
    body_schema = {
        "type": "object",
        "properties": {
            "idempotency_key": EVENT_ID_SCHEMA | {"description": "The event's id; else the `webhook-id` header."},
            "status": {
                "description": "`success`, `failure` (or `failed`), `refunded`; anything else is stored and ignored."
            },
            "order_id": {"description": "Which order it is about: its UUID."},
            "hold_id": {"description": "Or the hold that it was, or will be, made of."},
            "payment_id": {"description": "Or the provider's id of the payment (`payment_intent_id` is accepted)."},
            "amount": {"description": "A number or a decimal string, in units of `currency`; checked when given."},
            "currency": {"description": "An ISO 4217 code in any case; checked when given."},
        },
        "required": ["idempotency_key"],
    }
    sample_statuses = tuple(KIND_OF_STATUS)
    failures_end_orders = True

    def has_secrets(self) -> bool:
        return bool(settings.STANDARD_WEBHOOK_KEYS)

    def verify_headers(self, headers: Mapping[str, str]) -> None:
        try:
            webhook_signatures.verify_headers(headers)
        except webhook_signatures.WrongSignature as error:
            raise SignatureMismatch(str(error)) from error

    def verify(self, body: bytes, headers: Mapping[str, str]) -> None:
        try:
            webhook_signatures.verify(settings.STANDARD_WEBHOOK_KEYS, body=body, headers=headers)
        except webhook_signatures.WrongSignature as error:
            raise SignatureMismatch(str(error)) from error

    def translate(self, body: bytes, headers: Mapping[str, str]) -> Message:
        members = members_of(body)
        key = members.get("idempotency_key")
        event_id = event_id_of(headers.get(ID_HEADER) if key is None else key, pointer="#/idempotency_key")
        status = members.get("status")
        kind = KIND_OF_STATUS.get(status) if isinstance(status, str) else None
        event_type = kind.value if kind else status
        reader = Reader(members)
        order_id, hold_id = reader.uuid("order_id"), reader.uuid("hold_id")
        payment_id = reader.payment_id("payment_id", "payment_intent_id")
        amount, currency = reader.amount("amount"), reader.currency("currency")
        return Message(
            event_id=event_id,
            kind=kind or WebhookEvent.Kind.UNKNOWN,
            type=type_of(event_type),
            fingerprint=fingerprint_of(
                event_type,
                order_id,
                hold_id,
                payment_id,
                canonical_amount(amount),
                currency,
                sorted(reader.unusable.items()),
            ),
            order_id=order_id,
            hold_id=hold_id,
            payment_id=payment_id,
            amount=amount,
            currency=currency,
            malformed=reader.first_unusable,
        )

    def sign(self, body: bytes, *, message_id: str) -> dict[str, str]:
        keys = settings.STANDARD_WEBHOOK_KEYS
        signed = webhook_signatures.signed_headers(keys[0], message_id=message_id, body=body) if keys else {}
        return {"content-type": "application/json"} | signed

    def sample(self, *, event_id: str, status: str, members: Mapping[str, str]) -> bytes:
        return json.dumps({"idempotency_key": event_id, "status": status, **members}).encode()

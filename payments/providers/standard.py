"""The plain provider: one flat JSON object for each event, signed as Standard Webhooks has it.

`{"idempotency_key", "status", "order_id", "hold_id", "payment_id", "amount", "currency"}`; only the key and the status
are always there.
"""

from collections.abc import Mapping

from django.conf import settings

from flashsale.core import webhook_signatures
from flashsale.core.webhook_signatures import ID_HEADER, TIMESTAMP_HEADER
from payments.models import WebhookEvent
from payments.providers.base import Message, SignatureMismatch, fingerprint_of
from payments.providers.reading import Reader, event_id_of, members_of, plain, type_of

KIND_OF_STATUS = {
    "success": WebhookEvent.Kind.SUCCESS,
    "failure": WebhookEvent.Kind.FAILURE,
    "failed": WebhookEvent.Kind.FAILURE,
    "refunded": WebhookEvent.Kind.REFUNDED,
}


class StandardProvider:
    name = "standard"
    failures_end_orders = True
    kept_headers = (ID_HEADER, TIMESTAMP_HEADER, "user-agent")

    def verify_headers(self, headers: Mapping[str, str]) -> None:
        if settings.STANDARD_WEBHOOK_KEYS:
            try:
                webhook_signatures.verify_headers(headers)
            except webhook_signatures.WrongSignature as error:
                raise SignatureMismatch(str(error)) from error
        elif not settings.LOCAL_MODE:
            raise SignatureMismatch("No webhook secret is configured, so no event can be verified.")

    def verify(self, body: bytes, headers: Mapping[str, str]) -> None:
        keys = settings.STANDARD_WEBHOOK_KEYS
        if keys:
            try:
                webhook_signatures.verify(keys, body=body, headers=headers)
            except webhook_signatures.WrongSignature as error:
                raise SignatureMismatch(str(error)) from error
        elif not settings.LOCAL_MODE:
            raise SignatureMismatch("No webhook secret is configured, so no event can be verified.")

    def translate(self, body: bytes, headers: Mapping[str, str]) -> Message:
        members = members_of(body)
        key = members.get("idempotency_key")
        event_id = event_id_of(headers.get(ID_HEADER) if key is None else key, pointer="#/idempotency_key")
        status = members.get("status")
        kind = KIND_OF_STATUS.get(status) if isinstance(status, str) else None
        what = kind.value if kind else status
        reader = Reader(members)
        order_id, hold_id = reader.uuid("order_id"), reader.uuid("hold_id")
        payment_id = reader.payment_id("payment_id", "payment_intent_id")
        amount, currency = reader.amount("amount"), reader.currency("currency")
        return Message(
            event_id=event_id,
            kind=kind or WebhookEvent.Kind.UNKNOWN,
            type=type_of(what),
            fingerprint=fingerprint_of(
                what, order_id, hold_id, payment_id, plain(amount), currency, sorted(reader.unusable.items())
            ),
            order_id=order_id,
            hold_id=hold_id,
            payment_id=payment_id,
            amount=amount,
            currency=currency,
            malformed=reader.first_unusable,
        )


def sign_as_provider(body: bytes, *, message_id: str) -> dict[str, str]:
    """Return the headers with which the provider would send the body now: signed with the first secret, if any."""
    keys = settings.STANDARD_WEBHOOK_KEYS
    signed = webhook_signatures.signed_headers(keys[0], message_id=message_id, body=body) if keys else {}
    return {"content-type": "application/json"} | signed

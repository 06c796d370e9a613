"""Stripe: events of payment intents, checkout sessions and charges.

Source: https://docs.stripe.com/api/events/types and https://docs.stripe.com/webhooks#verify-events.
"""

import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from stripe import SignatureVerificationError, WebhookSignature

from flashsale.core import money
from flashsale.core.identifiers import parse_uuid
from payments.models import DISPUTE_ID_LENGTH, REASON_LENGTH, REFUND_ID_LENGTH, Dispute, WebhookEvent
from payments.providers.base import DisputeNews, Message, SignatureMismatch, fingerprint_of
from payments.providers.reading import Reader, event_id_of, members_of, plain, type_of

Kind = WebhookEvent.Kind

TOLERANCE_SECONDS = 5 * 60
SIGNATURE_HEADER = "Stripe-Signature"
_HEADER = re.compile(r"t=([0-9]{1,12})(,[a-z0-9]{1,8}=[0-9a-zA-Z+/=]{1,128}){1,16}", re.ASCII)

# type: what it means here, and the member that says how much.
PAYMENT_INTENTS = {
    "payment_intent.succeeded": (Kind.SUCCESS, "amount_received"),
    # A declined try: the customer may try again with the same payment intent.
    "payment_intent.payment_failed": (Kind.INFORMATIONAL, "amount"),
    "payment_intent.canceled": (Kind.FAILURE, "amount"),
}
SESSIONS = {
    "checkout.session.completed": (Kind.SUCCESS, "amount_total"),
    "checkout.session.async_payment_succeeded": (Kind.SUCCESS, "amount_total"),
    "checkout.session.async_payment_failed": (Kind.FAILURE, "amount_total"),
    "checkout.session.expired": (Kind.FAILURE, "amount_total"),
}
CHARGES = {"charge.refunded": (Kind.REFUNDED, "amount_refunded")}
# Stripe tells a failed refund under several names, by the kind of payment and the age of the account.
REFUNDS = {
    "refund.failed": (Kind.REFUND_FAILED, "amount"),
    "refund.updated": (Kind.REFUND_FAILED, "amount"),
    "charge.refund.updated": (Kind.REFUND_FAILED, "amount"),
}
REFUND_FAILED_STATUSES = frozenset({"failed", "canceled"})
DISPUTES = {
    f"charge.dispute.{what}": (Kind.DISPUTE, "amount")
    for what in ("created", "updated", "closed", "funds_withdrawn", "funds_reinstated")
}
TYPES = PAYMENT_INTENTS | SESSIONS | CHARGES | REFUNDS | DISPUTES
# How a dispute can end: https://docs.stripe.com/api/disputes/object#dispute_object-status; anything else is open.
ENDS_OF_DISPUTES = {
    "won": Dispute.Status.WON,
    "warning_closed": Dispute.Status.WON,
    "prevented": Dispute.Status.WON,
    "lost": Dispute.Status.LOST,
}
# Later times cannot be told from nonsense.
MAX_TIMESTAMP = 32503680000

# Where Stripe's minor units are not those of ISO 4217: https://docs.stripe.com/currencies#minor-units
EXPONENTS = {"ISK": 2, "UGX": 2, "MGA": 0}


class StripeProvider:
    name = "stripe"
    # An intent or session is one try: an order that lost one may be paid by the next.
    failures_end_orders = False
    kept_headers = ("user-agent",)

    def verify_headers(self, headers: Mapping[str, str]) -> None:
        if not settings.STRIPE_WEBHOOK_SECRETS and settings.LOCAL_MODE:
            return
        form = _HEADER.fullmatch(headers.get(SIGNATURE_HEADER, ""))
        if form is None:
            raise SignatureMismatch("The signature's header is missing or malformed.")
        # The library looks at the past only.
        if abs(time.time() - int(form[1])) > TOLERANCE_SECONDS:
            raise SignatureMismatch("The message's timestamp is too far from now.")

    def verify(self, body: bytes, headers: Mapping[str, str]) -> None:
        secrets = settings.STRIPE_WEBHOOK_SECRETS
        if not secrets and settings.LOCAL_MODE:
            return
        self.verify_headers(headers)
        header = headers[SIGNATURE_HEADER]
        if not any(_is_signed_with(secret, body=body, header=header) for secret in secrets):
            raise SignatureMismatch("No signature matches.")

    def translate(self, body: bytes, headers: Mapping[str, str]) -> Message:
        event = members_of(body)
        event_id = event_id_of(event.get("id"), pointer="#/id")
        given_type = event.get("type")
        if not isinstance(given_type, str) or given_type not in TYPES:
            return Message(
                event_id=event_id,
                kind=Kind.UNKNOWN,
                type=type_of(given_type),
                fingerprint=fingerprint_of(given_type, event.get("data")),
            )
        return _known(event_id, given_type, event)


def sign_as_provider(body: bytes) -> dict[str, str]:
    """Return the headers with which Stripe would send the body now: signed with the first secret, if any."""
    secrets = settings.STRIPE_WEBHOOK_SECRETS
    signed = WebhookSignature.generate_signature_header(body.decode(), secrets[0]) if secrets else ""
    return {"content-type": "application/json"} | ({SIGNATURE_HEADER: signed} if signed else {})


def _known(event_id: str, event_type: str, event: dict[str, Any]) -> Message:
    kind, amount_name = TYPES[event_type]
    thing = _object_in(event)
    is_noted = _changes_nothing(event_type, thing)
    reader = Reader(thing)
    named = Reader({} if kind == Kind.DISPUTE else _mapping(thing.get("metadata")))
    order_id, hold_id = named.uuid("order_id"), named.uuid("hold_id")
    if event_type in SESSIONS and not (order_id or hold_id or named.unusable):
        order_id = _order_of_link(thing, reader)
    dispute = _dispute_in(thing, reader) if kind == Kind.DISPUTE else None
    payment_id = reader.checked("payment_intent", *_payment_id(event_type, thing))
    refund_id = reader.text("id", max_length=REFUND_ID_LENGTH) if event_type in REFUNDS else None
    currency = reader.currency("currency")
    # What a failure would have cost changes nothing, and a canceled intent may say anything.
    counts = kind not in (Kind.FAILURE, Kind.INFORMATIONAL) and not is_noted
    amount = reader.minor_units(amount_name, exponent=exponent_of(currency)) if counts and currency else None
    if counts and amount is None:
        reader.unusable.setdefault(amount_name, "missing")
    if event.get("livemode") is not settings.STRIPE_LIVEMODE:
        reader.unusable["livemode"] = repr(event.get("livemode"))
    unusable = named.unusable | reader.unusable
    return Message(
        event_id=event_id,
        kind=Kind.INFORMATIONAL if is_noted else kind,
        type=event_type,
        fingerprint=fingerprint_of(
            event_type,
            is_noted,
            order_id,
            hold_id,
            payment_id,
            *([refund_id] if refund_id else []),
            *([dispute.dispute_id, dispute.status] if dispute else []),
            plain(amount),
            currency,
            sorted(unusable.items()),
        ),
        order_id=order_id,
        hold_id=hold_id,
        payment_id=payment_id,
        refund_id=refund_id,
        amount=amount,
        amount_is_total=kind == Kind.REFUNDED,
        currency=currency,
        dispute=dispute,
        occurred_at=_time_of(event.get("created")),
        malformed=next(iter(unusable), ""),
    )


def _changes_nothing(event_type: str, thing: dict[str, Any]) -> bool:
    """Say whether the event only tells how far something is: a session not paid yet, a refund that did not fail."""
    if event_type == "checkout.session.completed":
        return thing.get("payment_status") != "paid"
    return event_type in REFUNDS and thing.get("status") not in REFUND_FAILED_STATUSES


def _object_in(event: dict[str, Any]) -> dict[str, Any]:
    return _mapping(_mapping(event.get("data")).get("object"))


def _order_of_link(session: dict[str, Any], reader: Reader) -> UUID | None:
    """Return the order that a session's `client_reference_id` names.

    With a Payment Link the buyer can set it in the address, so it counts for the links in `STRIPE_PAYMENT_LINKS` only;
    without a link the shop's server set it, perhaps to something that is no order.
    """
    given, link = session.get("client_reference_id"), session.get("payment_link")
    if given is None:
        return None
    order_id = parse_uuid(given) if isinstance(given, str) else None
    if link is None:
        return order_id
    link = link.get("id") if isinstance(link, dict) else link
    return reader.checked("client_reference_id", given, order_id if link in settings.STRIPE_PAYMENT_LINKS else None)


def _dispute_in(thing: dict[str, Any], reader: Reader) -> DisputeNews | None:
    dispute_id = reader.text("id", max_length=DISPUTE_ID_LENGTH)
    if dispute_id is None:
        reader.unusable.setdefault("id", "missing")
        return None
    status, reason = thing.get("status"), thing.get("reason")
    status = ENDS_OF_DISPUTES.get(status, Dispute.Status.OPEN) if isinstance(status, str) else Dispute.Status.OPEN
    return DisputeNews(
        dispute_id=dispute_id, status=status, reason=type_of(reason)[:REASON_LENGTH] if isinstance(reason, str) else ""
    )


def _time_of(given: Any) -> datetime | None:
    """Return the moment that seconds since 1970 name, or None for what is no such number."""
    is_usable = type(given) is int and 0 < given < MAX_TIMESTAMP
    return datetime.fromtimestamp(given, tz=UTC) if is_usable else None


def _mapping(given: Any) -> dict[str, Any]:
    return given if isinstance(given, dict) else {}


def _payment_id(event_type: str, thing: dict[str, Any]) -> tuple[Any, str | None]:
    """Return the payment intent's id as given and if it can be used; sessions and charges may give it expanded."""
    given = thing.get("id") if event_type in PAYMENT_INTENTS else thing.get("payment_intent")
    given = given.get("id") if isinstance(given, dict) else given
    return given, Reader({"payment_intent": given}).payment_id("payment_intent")


def exponent_of(currency: str) -> int:
    """Return the decimals of Stripe's minor unit of an ISO 4217 currency."""
    return EXPONENTS.get(currency, money.exponent_of(currency))


def _is_signed_with(secret: str, *, body: bytes, header: str) -> bool:
    try:
        return WebhookSignature.verify_header(body, header, secret, tolerance=TOLERANCE_SECONDS)
    except (SignatureVerificationError, UnicodeDecodeError):
        return False

"""Stripe's events of payment intents, checkout sessions, charges, refunds and disputes.

Source: https://docs.stripe.com/api/events/types.
"""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.conf import settings

from flashsale.core import money
from flashsale.core.identifiers import parse_uuid
from payments.models import DISPUTE_ID_LENGTH, REASON_LENGTH, REFUND_ID_LENGTH, Dispute, WebhookEvent
from payments.providers.base import DisputeState, Message, fingerprint_of
from payments.providers.reading import Reader, canonical_amount, event_id_of, members_of, type_of

Kind = WebhookEvent.Kind

# By type: the kind of event here, and the member with the amount.
PAYMENT_INTENTS = {
    "payment_intent.succeeded": (Kind.SUCCESS, "amount_received"),
    # A declined attempt: the customer may try again with the same payment intent.
    "payment_intent.payment_failed": (Kind.INFORMATIONAL, "amount"),
    "payment_intent.canceled": (Kind.FAILURE, "amount"),
}
SESSIONS = {
    "checkout.session.completed": (Kind.SUCCESS, "amount_total"),
    "checkout.session.async_payment_succeeded": (Kind.SUCCESS, "amount_total"),
    "checkout.session.async_payment_failed": (Kind.FAILURE, "amount_total"),
    "checkout.session.expired": (Kind.FAILURE, "amount_total"),
}
CHARGES = {
    "charge.refunded": (Kind.REFUNDED, "amount_refunded"),
    # The same declined attempt as its payment intent's, for endpoints that receive events of charges only.
    "charge.failed": (Kind.INFORMATIONAL, "amount"),
}
# Stripe reports a failed refund under several names, by the kind of payment and the age of the account.
REFUNDS = {
    "refund.failed": (Kind.REFUND_FAILED, "amount"),
    "refund.updated": (Kind.REFUND_FAILED, "amount"),
    "charge.refund.updated": (Kind.REFUND_FAILED, "amount"),
}
REFUND_FAILED_STATUSES = ("failed", "canceled")
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
# The member of a payment's metadata with the shop's attempt.
ATTEMPT = "attempt_id"
# The member of an object's metadata with the shop that made it.
SHOP = "shop_id"
# The year 3000; later times are treated as absent.
MAX_TIMESTAMP = 32503680000

# Where Stripe's minor units are not those of ISO 4217: https://docs.stripe.com/currencies#minor-units
EXPONENTS = {"ISK": 2, "UGX": 2, "MGA": 0}


def translate(body: bytes) -> Message:
    """Return what an event says; raises `UnusableBody`."""
    event = members_of(body)
    event_id = event_id_of(event.get("id"), pointer="#/id")
    event_type = event.get("type")
    if isinstance(event_type, str) and event_type in TYPES:
        return _translate_known(event_id, event_type, event)
    return Message(
        event_id=event_id,
        kind=Kind.UNKNOWN,
        type=type_of(event_type),
        fingerprint=fingerprint_of(event_type, event.get("data")),
    )


def _translate_known(event_id: str, event_type: str, event: dict[str, Any]) -> Message:
    kind, amount_name = TYPES[event_type]
    subject = _object_in(event)
    is_informational = _changes_nothing(event_type, subject)
    reader = Reader(subject)
    metadata = Reader({} if kind == Kind.DISPUTE else _mapping(subject.get("metadata")))
    order_id, hold_id = metadata.uuid("order_id"), metadata.uuid("hold_id")
    if event_type in SESSIONS and not (order_id or hold_id or metadata.unusable):
        order_id = _order_of_link(subject, reader)
    dispute = _dispute_in(subject, reader) if kind == Kind.DISPUTE else None
    payment_id = reader.usable("payment_intent", *_payment_id(event_type, subject))
    refund_id = reader.text("id", max_length=REFUND_ID_LENGTH) if event_type in REFUNDS else None
    currency = reader.currency("currency")
    # The amount of a failure is not used, and a canceled intent may hold any value.
    uses_amount = kind not in (Kind.FAILURE, Kind.INFORMATIONAL) and not is_informational
    amount = reader.minor_units(amount_name, exponent=exponent_of(currency)) if uses_amount and currency else None
    if uses_amount and amount is None:
        reader.unusable.setdefault(amount_name, "missing")
    if event.get("livemode") is not settings.STRIPE_LIVEMODE:
        reader.unusable["livemode"] = repr(event.get("livemode"))
    unusable = metadata.unusable | reader.unusable
    return Message(
        event_id=event_id,
        kind=Kind.INFORMATIONAL if is_informational else kind,
        type=event_type,
        fingerprint=fingerprint_of(
            event_type,
            is_informational,
            order_id,
            hold_id,
            payment_id,
            *([refund_id] if refund_id else []),
            *([dispute.dispute_id, dispute.status] if dispute else []),
            canonical_amount(amount),
            currency,
            sorted(unusable.items()),
        ),
        order_id=order_id,
        hold_id=hold_id,
        payment_id=payment_id,
        refund_id=refund_id,
        attempt_id=_attempt_of(subject),
        amount=amount,
        amount_is_total=kind == Kind.REFUNDED,
        currency=currency,
        dispute=dispute,
        occurred_at=_time_of(event.get("created")),
        shop_id=_shop_of(subject),
        malformed=next(iter(unusable), ""),
    )


def _changes_nothing(event_type: str, subject: dict[str, Any]) -> bool:
    """Say whether the event only reports progress: a session that is not paid yet, a refund that did not fail."""
    if event_type == "checkout.session.completed":
        return subject.get("payment_status") != "paid"
    # Not a set: the status may be a list or an object, which has no hash.
    return event_type in REFUNDS and subject.get("status") not in REFUND_FAILED_STATUSES


def _attempt_of(subject: dict[str, Any]) -> UUID | None:
    """Return the attempt whose payment it is; what is no id was not written by the shop."""
    written = _mapping(subject.get("metadata")).get(ATTEMPT)
    return parse_uuid(written) if isinstance(written, str) else None


def _shop_of(subject: dict[str, Any]) -> str:
    """Return the id of the shop that made the object; other text, or none, names no shop."""
    shop_id = _mapping(subject.get("metadata")).get(SHOP)
    return shop_id if isinstance(shop_id, str) else ""


def _object_in(event: dict[str, Any]) -> dict[str, Any]:
    return _mapping(_mapping(event.get("data")).get("object"))


def _order_of_link(session: dict[str, Any], reader: Reader) -> UUID | None:
    """Return the order that a session's `client_reference_id` names.

    With a Payment Link the buyer can set it in the address, so it counts for the links in `STRIPE_PAYMENT_LINKS` only;
    without a link the shop's server set it, perhaps to something that is no order.
    """
    reference, link = session.get("client_reference_id"), session.get("payment_link")
    if reference is None:
        return None
    order_id = parse_uuid(reference) if isinstance(reference, str) else None
    if link is None:
        return order_id
    link = link.get("id") if isinstance(link, dict) else link
    return reader.usable("client_reference_id", reference, order_id if link in settings.STRIPE_PAYMENT_LINKS else None)


def _dispute_in(subject: dict[str, Any], reader: Reader) -> DisputeState | None:
    dispute_id = reader.text("id", max_length=DISPUTE_ID_LENGTH)
    if dispute_id is None:
        reader.unusable.setdefault("id", "missing")
        return None
    status, reason = subject.get("status"), subject.get("reason")
    status = ENDS_OF_DISPUTES.get(status, Dispute.Status.OPEN) if isinstance(status, str) else Dispute.Status.OPEN
    return DisputeState(
        dispute_id=dispute_id, status=status, reason=type_of(reason)[:REASON_LENGTH] if isinstance(reason, str) else ""
    )


def _time_of(seconds: object) -> datetime | None:
    """Return the time of seconds since 1970, or None for anything that is no such number."""
    if type(seconds) is not int or not 0 < seconds < MAX_TIMESTAMP:
        return None
    return datetime.fromtimestamp(seconds, tz=UTC)


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _payment_id(event_type: str, subject: dict[str, Any]) -> tuple[Any, str | None]:
    """Return the payment intent's id, raw and if it can be used; sessions and charges may hold the whole intent."""
    intent = subject.get("id") if event_type in PAYMENT_INTENTS else subject.get("payment_intent")
    raw = intent.get("id") if isinstance(intent, dict) else intent
    return raw, Reader({"payment_intent": raw}).payment_id("payment_intent")


def exponent_of(currency: str) -> int:
    """Return the decimals of Stripe's minor unit of an ISO 4217 currency."""
    return EXPONENTS.get(currency, money.exponent_of(currency))

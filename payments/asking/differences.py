"""What is recorded here otherwise than a provider says, as events that staff judge."""

import json
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from flashsale.core import clock, events
from payments import inbox
from payments.models import Payment, WebhookEvent
from payments.providers import PROVIDERS
from payments.providers.base import Message, fingerprint_of
from payments.providers.payment_client import PaymentObject
from payments.providers.reading import canonical_amount

RECORDED_OTHERWISE = "recorded_otherwise"
NOT_PAID_THERE = "not_paid_there"
# The type of these events, with what the provider says of the payment.
TYPE = "comparison: {}"


@dataclass(frozen=True)
class Difference:
    """A payment that is recorded otherwise than its provider says: what state, amount and order it has there."""

    payment: Payment
    reason: str
    state: str
    amount: Decimal | None
    currency: str
    order_id: UUID | None


def between(listed: PaymentObject, payment: Payment, *, order_id: UUID | None) -> Difference | None:
    """Return how a recorded payment differs from the provider's; None when it does not.

    `order_id` is the order for which the shop made it. Staff may have given its money to another one.
    """
    amount, currency = listed.amount, listed.currency
    is_moved_by_staff = payment.event.settled_by_id is not None or payment.order_id is None
    differs = (
        (amount is not None and amount != payment.amount)
        or (currency and currency != payment.currency)
        or (order_id is not None and order_id != payment.order_id and not is_moved_by_staff)
    )
    if not differs:
        return None
    return Difference(payment, RECORDED_OTHERWISE, "paid", amount, currency, order_id or payment.order_id)


def unpaid(payment: Payment, state: str) -> Difference:
    """Return that a payment is recorded as applied, and in another state at its provider."""
    return Difference(payment, NOT_PAID_THERE, state, None, payment.currency, payment.order_id)


def report(provider: str, difference: Difference) -> bool:
    """Tell staff of a difference, unless they were told of the same one before; say whether it is new."""
    payment = difference.payment
    content = {
        "payment": payment.payment_id,
        "at_the_provider": _described(difference.state, difference.amount, difference.currency, difference.order_id),
        "recorded": _described(payment.status, payment.amount, payment.currency, payment.order_id),
    }
    fingerprint = fingerprint_of(difference.reason, content["payment"], content["at_the_provider"])
    message = Message(
        event_id=f"comparison:{fingerprint[:32]}",
        kind=WebhookEvent.Kind.INFORMATIONAL,
        type=TYPE.format(difference.state),
        fingerprint=fingerprint,
        order_id=difference.order_id,
        payment_id=payment.payment_id,
        amount=difference.amount,
        currency=difference.currency,
        occurred_at=clock.now(),
    )
    body, asked = json.dumps(content, indent=2).encode(), WebhookEvent.Source.ASKED
    is_new = not inbox.report(PROVIDERS[provider], message, body, source=asked, reason=difference.reason).is_replay
    if is_new:
        events.record("payment_differs", provider=provider, reason=difference.reason, order_id=difference.order_id)
    return is_new


def _described(state: str, amount: Decimal | None, currency: str, order_id: UUID | None) -> dict[str, str | None]:
    return {
        "state": state,
        "amount": canonical_amount(amount),
        "currency": currency,
        "order": str(order_id) if order_id else None,
    }

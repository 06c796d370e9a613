"""Events of payment providers, payments that the shop starts, money taken, refunds and disputes."""

from payments.models.attempts import URL_LENGTH, EventCursor, PaymentAttempt, RequestSlot
from payments.models.disputes import Dispute
from payments.models.events import NAMING, WebhookEvent
from payments.models.lengths import (
    DISPUTE_ID_LENGTH,
    EVENT_ID_LENGTH,
    NOTE_LENGTH,
    PROVIDER_LENGTH,
    REASON_LENGTH,
    REFUND_ID_LENGTH,
    TYPE_LENGTH,
)
from payments.models.payments import REFUND_IS_DUE, Payment, PaymentQuerySet
from payments.models.refunds import Refund, RefundRequest

__all__ = [
    "DISPUTE_ID_LENGTH",
    "EVENT_ID_LENGTH",
    "NAMING",
    "NOTE_LENGTH",
    "PROVIDER_LENGTH",
    "REASON_LENGTH",
    "REFUND_ID_LENGTH",
    "REFUND_IS_DUE",
    "TYPE_LENGTH",
    "URL_LENGTH",
    "Dispute",
    "EventCursor",
    "Payment",
    "PaymentAttempt",
    "PaymentQuerySet",
    "Refund",
    "RefundRequest",
    "RequestSlot",
    "WebhookEvent",
]

"""Webhook events, payments, attempts, refunds and disputes for staff, who settle the events in doubt."""

from payments.admin.attempts import PaymentAttemptAdmin
from payments.admin.disputes import DisputeAdmin
from payments.admin.events import WebhookEventAdmin
from payments.admin.orders import RefundableOrderAdmin
from payments.admin.payments import PaymentAdmin
from payments.admin.refunds import RefundAdmin

__all__ = [
    "DisputeAdmin",
    "PaymentAdmin",
    "PaymentAttemptAdmin",
    "RefundAdmin",
    "RefundableOrderAdmin",
    "WebhookEventAdmin",
]

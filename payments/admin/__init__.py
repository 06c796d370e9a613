"""Webhook events, payments, refunds and disputes for staff, who settle the events that need review or are dead."""

from payments.admin.disputes import DisputeAdmin
from payments.admin.events import WebhookEventAdmin
from payments.admin.orders import RefundableOrderAdmin
from payments.admin.payments import PaymentAdmin
from payments.admin.refunds import RefundAdmin

__all__ = ["DisputeAdmin", "PaymentAdmin", "RefundAdmin", "RefundableOrderAdmin", "WebhookEventAdmin"]

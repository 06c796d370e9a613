"""Events about disputes: recorded with their payment. Neither the order nor its units change."""

from payments import disputes, payment_records
from payments.inbox.rules.verdicts import Verdict, applied, ignore, review
from payments.models import WebhookEvent


def apply(event: WebhookEvent) -> Verdict | None:
    """Record a dispute with its payment; None while that payment is unknown.

    Runs inside a transaction that holds the event's row lock; locks the payment's order and the payment.
    """
    if event.dispute_ref is None:
        return review("dispute_unknown")
    payment = payment_records.find(event)
    if payment is None:
        return None
    payment = payment_records.lock(payment)
    event.order = payment.order
    try:
        disputes.record(event, payment, dispute_id=event.dispute_ref)
    except disputes.Outdated:
        return ignore("outdated")
    return applied("dispute_recorded")

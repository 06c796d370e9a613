"""Disputes about payments, as the provider tells of them. The only writer of `Dispute`."""

from payments.models import Dispute, Payment, WebhookEvent


class Outdated(Exception):
    """Something newer is known about this dispute."""


def record(event: WebhookEvent, payment: Payment) -> Dispute:
    """Store how a dispute about a payment stands; the caller has locked the payment. Raises `Outdated`.

    Events come in any order: the one that happened last counts, and of two in the same second the one that ends it.
    """
    known = payment.disputes.filter(dispute_id=event.dispute_ref).first()
    dispute = known or Dispute(payment=payment, dispute_id=event.dispute_ref, created_at=event.happened_at)
    if known is not None and not _is_newer(event, known):
        raise Outdated
    dispute.amount, dispute.currency, dispute.reason = event.amount, event.currency, event.dispute_reason
    dispute.status, dispute.as_of = event.dispute_status, event.happened_at
    dispute.created_at = min(dispute.created_at, event.happened_at)
    dispute.save()
    return dispute


def _is_newer(event: WebhookEvent, known: Dispute) -> bool:
    if event.happened_at == known.as_of:
        return known.status == Dispute.Status.OPEN
    return event.happened_at > known.as_of

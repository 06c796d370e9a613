"""Disputes about payments, as the provider reports them. The only writer of `Dispute`: with its changes go events."""

from payments import payment_events
from payments.models import Dispute, Payment, WebhookEvent


class Outdated(Exception):
    """A later event of this dispute is recorded already."""


def record(event: WebhookEvent, payment: Payment, *, dispute_id: str) -> Dispute:
    """Store the state of a dispute about a locked payment. Raises `Outdated`.

    Events arrive in any order: the one that happened last counts; of two in one second, the one that ends the dispute.
    """
    dispute = payment.disputes.filter(dispute_id=dispute_id).first()
    before = _told_of(dispute)
    if dispute is None:
        dispute = Dispute(payment=payment, dispute_id=dispute_id, created_at=event.happened_at)
    elif not _is_newer(event, dispute):
        raise Outdated
    dispute.amount, dispute.currency, dispute.reason = event.amount, event.currency, event.dispute_reason
    dispute.status, dispute.as_of = event.dispute_status, event.happened_at
    dispute.created_at = min(dispute.created_at, event.happened_at)
    dispute.save()
    if _told_of(dispute) != before:
        previous_status = str(before["status"]) if before else None
        payment_events.record_disputed(payment, dispute, previous_status=previous_status)
    return dispute


def _told_of(dispute: Dispute | None) -> dict[str, object]:
    """Return what events tell of a dispute; nothing of one that is not known yet."""
    names = ("status", "amount", "currency", "reason")
    return {name: getattr(dispute, name) for name in names} if dispute is not None else {}


def _is_newer(event: WebhookEvent, dispute: Dispute) -> bool:
    if event.happened_at == dispute.as_of:
        return dispute.status == Dispute.Status.OPEN
    return event.happened_at > dispute.as_of

"""Events of money for the shop's back end, recorded under the locks of the payment and its order, or of the event.

`data` of `refund.due`, `refund.done`, `refund.failed` and `payment.disputed` is the payment as its GET answers it,
without its lists of refunds, and besides `previous_status` (null: it was recorded just now) and:

- `refund.due`: `refund`, with the `amount` that became due.
- `refund.done`: `refund`, with the `amount` that went back, and whether that was `by_other_means` than the provider's.
- `refund.failed`: `refund`, with its `amount`, `refund_id` (the provider's; null: it has none) and `status`: `refused`
  before any money moved, or `failed` after the provider had accepted it; then `refund.due` follows. `is_retried` says
  whether the shop asks the provider once more by itself.
- `payment.disputed`: `dispute`, with `dispute_id`, `status` (`open`, `won`, `lost`), `previous_status` (null: it is
  new), `amount` (null: unknown), `currency` and `reason`, the provider's word for it.

`data` of `payment.needs_review` is the provider's event that staff have to decide about, and besides `previous_status`
(null: it was left to staff as it arrived) and `explanation`, a part of a sentence.

All amounts are decimal strings in units of the currency. What staff write in notes is in none of them.
"""

from collections.abc import Sequence
from decimal import Decimal

from flashsale.core import money
from flashsale.outbox import recording
from flashsale.outbox.kinds import EventType
from payments import explanations
from payments.models import Dispute, Payment, Refund, WebhookEvent

# How events call a payment, and an event of a provider.
RESOURCE = "payment"
EVENT_RESOURCE = "webhook_event"
FOR_STAFF = frozenset({WebhookEvent.Status.NEEDS_REVIEW, WebhookEvent.Status.DEAD})


def record_due(payment: Payment, *, amount: Decimal, previous_status: str | None) -> None:
    """Record that `amount` of a payment became due for refund."""
    refund = {"amount": money.render(amount, payment.currency)}
    recording.record(EventType.REFUND_DUE, RESOURCE, [payment.pk], refund=refund, previous_status=previous_status)


def record_requested(payment: Payment, *, amount: Decimal) -> None:
    """Do what `record_due` does, for a payment that the same transaction may change again."""
    refund = {"amount": money.render(amount, payment.currency)}
    recording.record_now(EventType.REFUND_DUE, RESOURCE, [payment.pk], refund=refund, previous_status=payment.status)


def record_done(payment: Payment, *, amount: Decimal, by_other_means: bool, previous_status: str) -> None:
    """Record that `amount` of a payment went back."""
    refund = {"amount": money.render(amount, payment.currency), "by_other_means": by_other_means}
    recording.record(EventType.REFUND_DONE, RESOURCE, [payment.pk], refund=refund, previous_status=previous_status)


def record_failed(payment: Payment, refund: Refund, *, is_retried: bool, previous_status: str) -> None:
    """Record that a refund of a payment was refused, or failed after it was accepted."""
    told = {
        "amount": money.render(refund.amount, payment.currency),
        "refund_id": refund.refund_id,
        "status": str(refund.status),
    }
    recording.record(
        EventType.REFUND_FAILED, RESOURCE, [payment.pk],
        refund=told, is_retried=is_retried, previous_status=previous_status,
    )  # fmt: skip


def record_disputed(payment: Payment, dispute: Dispute, *, previous_status: str | None) -> None:
    """Record that a dispute about a payment was opened, or has changed from its `previous_status`."""
    told = {
        "dispute_id": dispute.dispute_id,
        "status": str(dispute.status),
        "previous_status": previous_status,
        "amount": None if dispute.amount is None else money.render(dispute.amount, dispute.currency),
        "currency": dispute.currency,
        "reason": dispute.reason,
    }
    recording.record(EventType.PAYMENT_DISPUTED, RESOURCE, [payment.pk], dispute=told, previous_status=payment.status)


def record_reviews(events: Sequence[WebhookEvent], *, previous_status: str | None) -> None:
    """Record those of these events of providers, all locked or new, that staff have to decide about now."""
    for_staff = [event for event in events if event.status in FOR_STAFF]
    for situation in explanations.read_all(for_staff) if for_staff else ():
        recording.record(
            EventType.PAYMENT_NEEDS_REVIEW, EVENT_RESOURCE, [situation.event.pk],
            explanation=_explanation_of(situation), previous_status=previous_status,
        )  # fmt: skip


def _explanation_of(situation: explanations.Situation) -> str:
    """Return why an event is left to staff; the texts of errors, which may name anything, stay in the admin."""
    event = situation.event
    if event.status == WebhookEvent.Status.DEAD:
        return f"it could not be processed: gave up after {event.attempts} attempts"
    return explanations.why(situation)

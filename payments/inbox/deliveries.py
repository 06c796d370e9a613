"""Verified deliveries of providers, committed before they are processed (transactional inbox)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from flashsale.core import advisory_locks, clock, events
from flashsale.core.transactions import retrying_transaction
from payments.inbox import rules
from payments.models import WebhookEvent
from payments.providers.base import Message

# How long one attempt to process an event may take before another may begin: longer than all timeouts together.
LEASE_SECONDS = 60


@dataclass(frozen=True)
class Delivery:
    """One event as it was delivered: provider, translated message, raw bytes, stored headers, id of the request."""

    provider: str
    message: Message
    body: bytes
    headers: dict[str, str]
    request_id: str

    @property
    def name(self) -> tuple[str, str]:
        """The provider and event id, which two deliveries of one event share."""
        return self.provider, self.message.event_id


def store_one(delivery: Delivery) -> tuple[WebhookEvent, bool]:
    """Commit an event; return it and whether it is new."""
    [stored] = store([delivery])
    return stored


@retrying_transaction
def store(deliveries: Sequence[Delivery]) -> list[tuple[WebhookEvent, bool]]:
    """Commit events in one transaction; return each and whether it is new. No two may share a name."""
    advisory_locks.lock(
        f"event:{provider}:{event_id}" for provider, event_id in (delivery.name for delivery in deliveries)
    )
    stored_before: dict[tuple[str, str], dict[str, WebhookEvent]] = {delivery.name: {} for delivery in deliveries}
    providers, ids = zip(*stored_before, strict=True)
    for event in WebhookEvent.objects.filter(provider__in=set(providers), event_id__in=ids).select_related("order"):
        stored_before.get((event.provider, event.event_id), {})[event.fingerprint] = event
    now = clock.now()
    stored = []
    for delivery in deliveries:
        same_id = stored_before[delivery.name]
        replay = same_id.get(delivery.message.fingerprint)
        stored.append((replay or _new_event(delivery, is_id_reused=bool(same_id), now=now), replay is None))
    WebhookEvent.objects.bulk_create([event for event, is_new in stored if is_new])
    for event, is_new in stored:
        if is_new and event.processed_at is not None:
            with events.bound_to_request(event.request_id):
                record_outcome(event)
    return stored


def record_outcome(event: WebhookEvent) -> None:
    """Log and count the outcome of an event when this transaction is committed."""
    events.record_on_commit(
        "webhook_processed", provider=event.provider, status=str(event.status), reason=event.reason,
        event_pk=event.pk, event_id=event.event_id, order_id=event.order_id,
    )  # fmt: skip


def _new_event(delivery: Delivery, *, is_id_reused: bool, now: datetime) -> WebhookEvent:
    message, verdict = delivery.message, rules.on_receipt(delivery.message, is_id_reused=is_id_reused)
    is_undecided = verdict.status == WebhookEvent.Status.RECEIVED
    return WebhookEvent(
        provider=delivery.provider,
        event_id=message.event_id,
        fingerprint=message.fingerprint,
        body=delivery.body,
        headers=delivery.headers,
        type=message.type,
        kind=message.kind,
        order_ref=message.order_id,
        hold_ref=message.hold_id,
        payment_ref=message.payment_id,
        refund_ref=message.refund_id,
        amount=message.amount,
        amount_is_total=message.amount_is_total,
        currency=message.currency,
        occurred_at=message.occurred_at,
        **_dispute_columns(message),
        malformed=message.malformed,
        status=verdict.status,
        reason=verdict.reason,
        attempts=1 if is_undecided else 0,
        next_attempt_at=now + timedelta(seconds=LEASE_SECONDS) if is_undecided else None,
        received_at=now,
        processed_at=None if is_undecided else now,
        request_id=delivery.request_id,
    )


def _dispute_columns(message: Message) -> dict[str, str]:
    if (dispute := message.dispute) is None:
        return {}
    return {
        "dispute_ref": dispute.dispute_id,
        "dispute_status": dispute.status,
        "dispute_reason": dispute.reason,
    }

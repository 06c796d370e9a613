"""Deliveries of providers' events, committed before they are processed (transactional inbox).

A provider writes an event's body in the API version of the webhook endpoint, or of the request that lists it, so one
event may read differently by another way. Only of two deliveries that came the same way and differ is one suspicious.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from flashsale.core import advisory_locks, events, rows
from flashsale.core.statements import Query, Row, Statement, array, fetch
from flashsale.core.transactions import await_standby, defer_to_commit, retrying_transaction
from payments import payment_events
from payments.inbox import rules
from payments.inbox.rules import Verdict
from payments.models import WebhookEvent
from payments.providers.base import Message

# How long one attempt to process an event may take before another may begin: longer than all timeouts together.
LEASE_SECONDS = 60

_FINGERPRINTS = """
SELECT provider, event_id, fingerprint, source FROM payments_webhookevent
WHERE provider = ANY(%s::text[]) AND event_id = ANY(%s::text[])
"""
_NEW_IDS = """
SELECT nextval('payments_webhookevent_id_seq') AS id, clock_timestamp() AS now FROM generate_series(1, %s)
"""


@dataclass(frozen=True)
class Delivery:
    """One event as it was delivered: provider, translated message, raw bytes, stored headers, id of the request.

    With a `reason` it is left to staff, for that reason, and nothing else is judged.
    """

    provider: str
    message: Message
    body: bytes
    headers: dict[str, str]
    request_id: str
    source: WebhookEvent.Source = WebhookEvent.Source.WEBHOOK
    reason: str = ""

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
    names = [delivery.name for delivery in deliveries]
    _, known, (new_ids, now) = fetch(
        advisory_locks.locking_query(f"event:{provider}:{event_id}" for provider, event_id in names),
        _fingerprints_query(names),
        _new_ids_query(len(deliveries)),
    )
    new = {
        delivery.name: _new_event(delivery, new_id, is_id_reused=delivery.name in known, now=now)
        for delivery, new_id in zip(deliveries, new_ids, strict=True)
        if not _is_stored(delivery, known.get(delivery.name, set()))
    }
    if new:
        defer_to_commit(rows.insertion(list(new.values())))
        payment_events.record_reviews(list(new.values()), previous_status=None)
    for event in new.values():
        if event.processed_at is not None:
            with events.bound_to_request(event.request_id):
                record_outcome(event)
    if len(new) < len(deliveries):
        await_standby()
    earlier = _stored_earlier([delivery for delivery in deliveries if delivery.name not in new])
    return [(new[name], True) if name in new else (earlier[name], False) for name in names]


def record_outcome(event: WebhookEvent) -> None:
    """Log and count the outcome of an event when this transaction is committed."""
    events.record_on_commit(
        "webhook_processed", provider=event.provider, status=str(event.status), reason=event.reason,
        event_pk=event.pk, event_id=event.event_id, order_id=event.order_id,
    )  # fmt: skip


def _is_stored(delivery: Delivery, known: set[tuple[str, str]]) -> bool:
    """Say whether one of the stored events with its name is the same: it says the same, or came another way."""
    fingerprint, source = delivery.message.fingerprint, str(delivery.source)
    return any(other == fingerprint or way != source for other, way in known)


def _fingerprints_query(names: Sequence[tuple[str, str]]) -> Query[dict[tuple[str, str], set[tuple[str, str]]]]:
    """Return the fingerprints and sources of the stored events with these names, by name."""

    def by_name(results: Sequence[list[Row]]) -> dict[tuple[str, str], set[tuple[str, str]]]:
        known: dict[tuple[str, str], set[tuple[str, str]]] = {}
        for row in results[0]:
            known.setdefault((row["provider"], row["event_id"]), set()).add((row["fingerprint"], row["source"]))
        return known

    providers, ids = {provider for provider, _ in names}, (event_id for _, event_id in names)
    return Query([Statement(_FINGERPRINTS, [array(providers), array(ids)])], by_name)


def _new_ids_query(count: int) -> Query[tuple[list[int], datetime]]:
    """Return primary keys for new events, which an INSERT that is sent with the COMMIT cannot return, and the time."""
    return Query(
        [Statement(_NEW_IDS, [count])], lambda results: ([row["id"] for row in results[0]], results[0][0]["now"])
    )


def _stored_earlier(deliveries: Sequence[Delivery]) -> dict[tuple[str, str], WebhookEvent]:
    """Return the stored event of each of these deliveries, by name: the one that says the same, else the first."""
    if not deliveries:
        return {}
    providers, ids = zip(*(delivery.name for delivery in deliveries), strict=True)
    found = WebhookEvent.objects.filter(provider__in=set(providers), event_id__in=ids).select_related("order")
    by_name: dict[tuple[str, str], list[WebhookEvent]] = {}
    for event in found.order_by("pk"):
        by_name.setdefault((event.provider, event.event_id), []).append(event)
    return {delivery.name: _same_as(delivery, by_name[delivery.name]) for delivery in deliveries}


def _same_as(delivery: Delivery, stored: list[WebhookEvent]) -> WebhookEvent:
    return next((event for event in stored if event.fingerprint == delivery.message.fingerprint), stored[0])


def _verdict_on(delivery: Delivery, *, is_id_reused: bool) -> Verdict:
    if delivery.reason:
        return Verdict(WebhookEvent.Status.NEEDS_REVIEW, delivery.reason)
    return rules.on_receipt(delivery.message, is_id_reused=is_id_reused)


def _new_event(delivery: Delivery, new_id: int, *, is_id_reused: bool, now: datetime) -> WebhookEvent:
    message, verdict = delivery.message, _verdict_on(delivery, is_id_reused=is_id_reused)
    is_undecided = verdict.status == WebhookEvent.Status.RECEIVED
    return WebhookEvent(
        pk=new_id,
        provider=delivery.provider,
        event_id=message.event_id,
        source=delivery.source,
        fingerprint=message.fingerprint,
        body=delivery.body,
        headers=delivery.headers,
        type=message.type,
        kind=message.kind,
        order_ref=message.order_id,
        hold_ref=message.hold_id,
        payment_ref=message.payment_id,
        refund_ref=message.refund_id,
        attempt_ref=message.attempt_id,
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

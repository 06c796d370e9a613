"""Processing of stored events: lock, let the rules judge, write the verdict; after an error schedule another attempt.

The only writer of an event's status after its receipt.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import F, QuerySet

from catalog import overdue
from checkout import orders, reference_locks
from checkout.models import Order
from flashsale.core import backoff, clock, events, rows
from flashsale.core.refusals import NotFound
from flashsale.core.statements import Query, Statement, array, fetch
from flashsale.core.transactions import defer_to_commit, flush_deferred, retrying_transaction
from payments import payment_events
from payments.inbox import rules
from payments.inbox.deliveries import LEASE_SECONDS, record_outcome
from payments.inbox.rules import Verdict
from payments.models import WebhookEvent

MAX_ATTEMPTS = 12
BACKOFF_BASE_SECONDS = 2
BACKOFF_CAP_SECONDS = 3600
ERROR_LENGTH = 500

_PAID = """
UPDATE payments_webhookevent
SET status = 'applied', reason = 'order_paid', processed_at = %s, next_attempt_at = NULL, order_id = order_ref
WHERE id = ANY(%s::bigint[])
"""

Status = WebhookEvent.Status


def process(batch: Sequence[WebhookEvent]) -> list[WebhookEvent]:
    """Process one event of any kind, or several successes that name their orders by id, in one transaction.

    Returns the updated events; those that have a final status already stay as they are. An event's references never
    change, so `batch` may have been read before its rows are locked. When one event raises, all are rolled back.

    When a late payment needs units of overdue holds or orders, those are reclaimed first; a batch of several raises
    `overdue.ReclaimFirst` instead, so that its events are processed one by one.
    """
    if len(batch) > 1:
        return _process(batch, may_reclaim=True)
    return overdue.reclaiming(lambda may_reclaim: _process(batch, may_reclaim=may_reclaim))


def process_locked(event: WebhookEvent, *, may_reclaim: bool) -> None:
    """Process an undecided event in a transaction that holds its references' advisory locks and its row lock."""
    write(event, rules.judge(event, may_reclaim=may_reclaim))


def write(event: WebhookEvent, verdict: Verdict) -> None:
    """Write the verdict on an event that this transaction has locked."""
    previous_status = event.status
    event.processed_at = None if verdict.status == Status.PARKED else verdict.at or clock.now()
    event.status, event.reason = verdict.status, verdict.reason
    event.next_attempt_at = None
    event.save(
        update_fields=[
            "status", "reason", "processed_at", "next_attempt_at", "parked_at", "order", "settled_by", "settled_note"
        ]
    )  # fmt: skip
    record_outcome(event)
    payment_events.record_reviews([event], previous_status=previous_status)


def lock_with_references(event_id: int) -> WebhookEvent:
    """Lock an event, after its references, until the transaction ends; return it. Raises `NotFound`."""
    names = ("order_ref", "hold_ref", "payment_ref", "event_id")
    unlocked = WebhookEvent.objects.filter(pk=event_id).only(*names).first()
    if unlocked is None:
        raise NotFound("There is no such event.")
    fetch(reference_locks.locking_query([_references_of(unlocked)]))
    return lock(event_id)


def lock(event_id: int) -> WebhookEvent:
    """Lock an event's row until the transaction ends; return it. Raises `WebhookEvent.DoesNotExist`."""
    [locked] = fetch(locking_query("id = %s", [event_id]))
    if not locked:
        raise WebhookEvent.DoesNotExist
    return locked[event_id]


def locking_query(condition: str, params: Sequence[Any]) -> Query[dict[int, WebhookEvent]]:
    """Lock the events that meet an SQL condition, in ascending id, until the transaction ends; the result is by id.

    Their references are locked before. Their bodies and headers are read when they are used.
    """
    return rows.locking_query(WebhookEvent, condition, params, deferred=("body", "headers"))


def retryable(now: datetime) -> QuerySet[WebhookEvent]:
    """Return the received and failed events whose next attempt is due."""
    return WebhookEvent.objects.filter(status__in=WebhookEvent.RETRYABLE, next_attempt_at__lte=now)


@retrying_transaction
def acquire_lease(event: WebhookEvent) -> bool:
    """Count one more attempt of a due event and lease it for `LEASE_SECONDS`; say whether the caller may process it.

    The attempt is counted before it begins, so that an event that kills its process also ends as dead.
    """
    now = clock.now()
    due = retryable(now).filter(pk=event.pk)
    lease = now + timedelta(seconds=LEASE_SECONDS)
    if due.filter(attempts__lt=MAX_ATTEMPTS).update(attempts=F("attempts") + 1, next_attempt_at=lease):
        return True
    if due.update(status=Status.DEAD, reason="gave_up", next_attempt_at=None, processed_at=now):
        event.status, previous_status = Status.DEAD, event.status
        payment_events.record_reviews([event], previous_status=previous_status)
    return False


def restart(event: WebhookEvent) -> None:
    """Make a locked, dead event `received` again, with all its attempts."""
    event.status, event.reason, event.attempts = Status.RECEIVED, "retried_by_staff", 1
    # An event that was parked for too long may be parked once more.
    event.parked_at = event.processed_at = None
    event.next_attempt_at = clock.now() + timedelta(seconds=LEASE_SECONDS)
    event.save(update_fields=["status", "reason", "attempts", "parked_at", "next_attempt_at", "processed_at"])


def record_error(event: WebhookEvent, error: Exception) -> WebhookEvent:
    """Record why an event was not processed, and when it is tried again; return the updated event.

    Raises nothing: when this cannot be written either, the event's lease runs out and the worker processes it.
    """
    events.record("webhook_failed", event_pk=event.pk, attempt=event.attempts, exc_info=True)
    try:
        return _record_error(event.pk, error)
    except Exception:
        events.record("webhook_failed", event_pk=event.pk, attempt=event.attempts, exc_info=True)
        return event


def schedule_retry(event: WebhookEvent, error: Exception) -> None:
    """Write an error on a locked, undecided event: tried again after a backoff, or dead after `MAX_ATTEMPTS`."""
    now, previous_status = clock.now(), event.status
    is_last = event.attempts >= MAX_ATTEMPTS
    wait = backoff.full_jitter(event.attempts, base_seconds=BACKOFF_BASE_SECONDS, cap_seconds=BACKOFF_CAP_SECONDS)
    event.status = Status.DEAD if is_last else Status.FAILED
    event.reason = "gave_up" if is_last else "error"
    event.next_attempt_at = None if is_last else now + wait
    event.processed_at = now if is_last else None
    event.last_error = f"{type(error).__name__}: {error}"[:ERROR_LENGTH].replace("\x00", "")
    event.save(update_fields=["status", "reason", "next_attempt_at", "processed_at", "last_error"])
    if is_last:
        record_outcome(event)
        payment_events.record_reviews([event], previous_status=previous_status)


@retrying_transaction
def _process(batch: Sequence[WebhookEvent], *, may_reclaim: bool) -> list[WebhookEvent]:
    _, locked, facts = fetch(
        reference_locks.locking_query(_references_of(event) for event in batch),
        locking_query("id = ANY(%s::bigint[])", [array(event.pk for event in batch)]),
        rules.facts_query(batch),
    )
    undecided = [event for event in locked.values() if event.is_undecided]
    if facts is not None:
        _write_paid(rules.pay_plain(undecided, facts))
    others = [event for event in undecided if event.is_undecided]
    if others and len(undecided) > 1:
        # Late payments lock their stocks at once, in the order of the events: lock them in ascending id before.
        orders.lock_stocks(event.order_ref for event in undecided if event.order_ref)
        # The rules for a single event read what the others have written.
        flush_deferred()
    for event in others:
        with events.bound_to_request(event.request_id):
            process_locked(event, may_reclaim=may_reclaim)
    return [locked[event.pk] for event in batch]


@retrying_transaction
def _record_error(event_id: int, error: Exception) -> WebhookEvent:
    event = lock(event_id)
    if event.is_undecided:
        schedule_retry(event, error)
    return event


def _references_of(event: WebhookEvent) -> tuple[UUID | None, UUID | None, str]:
    """Return what is locked before an event: the ids of its order, its hold and its payment."""
    return event.order_ref, event.hold_ref, event.payment_id


def _write_paid(paid: list[tuple[WebhookEvent, Order]]) -> None:
    """Write, with the COMMIT, that each of these locked events paid the order beside it, which it names by its id."""
    if not paid:
        return
    paid_at = paid[0][1].paid_at
    defer_to_commit(Statement(_PAID, [paid_at, array(event.pk for event, _ in paid)]))
    for event, order in paid:
        event.status, event.reason, event.order = Status.APPLIED, "order_paid", order
        event.processed_at, event.next_attempt_at = paid_at, None
        with events.bound_to_request(event.request_id):
            record_outcome(event)

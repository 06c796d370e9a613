"""The inbox of webhook events: stored first, then processed, retried until they are done or dead.

The only writer of an event's status. If the process dies after any line here, the event is either not stored (the
provider had no 2xx and sends it again) or stored and open (the worker finishes it).
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection
from django.db.models import F

from catalog import overdue
from checkout import orders, reference_locks
from checkout.models import Order
from flashsale.core import backoff, clock, events
from flashsale.core.refusals import NotFound, Refusal
from flashsale.core.submissions.once import retrying_transaction_once
from flashsale.core.transactions import retrying_transaction
from payments import payment_records
from payments.inbox import deliveries, matching, rules
from payments.inbox.deliveries import LEASE_SECONDS, Delivery, note_decision
from payments.inbox.verdicts import Verdict
from payments.models import WebhookEvent
from payments.providers.base import Provider, SignatureMismatch

MAX_ATTEMPTS = 12
BACKOFF_BASE_SECONDS = 2
BACKOFF_CAP_SECONDS = 3600
DUE_BATCH_ROWS = 500
ERROR_LENGTH = 500

_PAID = """
UPDATE payments_webhookevent AS event
SET status = 'applied', reason = 'order_paid', processed_at = %s, next_attempt_at = NULL, order_id = each.order_id
FROM unnest(%s::bigint[], %s::uuid[]) AS each (id, order_id) WHERE event.id = each.id
"""

Status = WebhookEvent.Status
UNDECIDED = frozenset({Status.RECEIVED, Status.FAILED, Status.PARKED})
RETRYABLE = frozenset({Status.RECEIVED, Status.FAILED})

Store = Callable[[Delivery], tuple[WebhookEvent, bool]]
Process = Callable[[WebhookEvent], WebhookEvent]

_refused = events.SampledEvent("webhook_refused")


class SignatureInvalid(Refusal):
    code = "signature_invalid"
    title = "Signature missing or wrong"


class NotDead(Refusal):
    code = "event_not_dead"
    title = "Only dead events are retried"


@dataclass(frozen=True)
class Receipt:
    """What a provider is told: the stored event, whether it had been stored before, and as of which database time."""

    event: WebhookEvent
    is_replay: bool
    answered_at: datetime


def verify_headers(provider: Provider, headers: Mapping[str, str]) -> None:
    """Raise `SignatureInvalid` when the headers alone say so: then the body need not be read."""
    with _refusing(provider):
        provider.verify_headers(headers)


@contextlib.contextmanager
def _refusing(provider: Provider) -> Iterator[None]:
    try:
        yield
    except SignatureMismatch as error:
        _refused.record(provider=provider.name)
        raise SignatureInvalid(str(error)) from error


def receive(
    provider: Provider,
    *,
    body: bytes,
    headers: Mapping[str, str],
    store: Store = deliveries.store_one,
    process: Process | None = None,
) -> Receipt:
    """Verify, store and process one request of a provider; `store` and `process` may do so with others.

    Once it is stored, no error gets out: what could not be finished stays open for the worker. Raises
    `SignatureInvalid`, and `UnusableBody` when the bytes are no event.
    """
    with _refusing(provider):
        provider.verify(body, headers)
    message = provider.translate(body, headers)
    kept = {name: headers[name] for name in provider.kept_headers if name in headers}
    delivery = Delivery(provider.name, message, body, kept, events.request_id())
    event, is_new = store(delivery)
    if event.status in RETRYABLE:
        event = _attempt(event, process or _process_seen)
    if is_new:
        return Receipt(event=event, is_replay=False, answered_at=event.processed_at or event.received_at)
    events.record("webhook_duplicate", provider=provider.name, event_pk=event.pk, event_id=event.event_id)
    return Receipt(event=event, is_replay=True, answered_at=clock.now())


def process(event_id: int, *, seen: WebhookEvent | None = None) -> WebhookEvent:
    """Process an open event and return it as it then stands; one that is done stays as it is.

    `seen` is the event as somebody has just read it: its references never change.
    """
    return overdue.reclaiming(lambda may_reclaim: _process(event_id, seen, may_reclaim=may_reclaim))


def process_due(*, limit: int = DUE_BATCH_ROWS) -> int:
    """Work off what is due: unfinished events whose time has come, parked ones whose order exists or never comes.

    An event that fails is put off and holds up no other. Returns how many were tried.
    """
    now = clock.now()
    unfinished = WebhookEvent.objects.filter(status__in=RETRYABLE, next_attempt_at__lte=now)
    tried = 0
    for event in unfinished.order_by("next_attempt_at")[:limit]:
        if _acquire_lease(event.pk):
            _attempt(event)
            tried += 1
    in_vain = matching.parked_in_vain(now).order_by("parked_at")
    waiting = [*matching.parked_with_order().order_by("parked_at")[:limit], *in_vain[:limit]]
    for event in waiting:
        _attempt(event)
    return tried + len(waiting)


def retry(event_id: int) -> WebhookEvent:
    """Give a dead event all its tries again and process it at once; returns it as it then stands. Raises `NotDead`."""
    return _attempt(_revive(event_id))


def decide_and_store(event: WebhookEvent, *, may_reclaim: bool) -> None:
    """Decide an open event and write the verdict. The transaction holds its references' locks and its row lock."""
    write(event, _judge(event, may_reclaim=may_reclaim))


def write(event: WebhookEvent, verdict: Verdict) -> None:
    """Write what became of an event that this transaction has locked."""
    event.processed_at = None if verdict.status == Status.PARKED else verdict.at or clock.now()
    event.status, event.reason = verdict.status, verdict.reason
    event.next_attempt_at = None
    event.save(
        update_fields=[
            "status", "reason", "processed_at", "next_attempt_at", "parked_at", "order", "settled_by", "settled_note"
        ]
    )  # fmt: skip
    note_decision(event)


def lock_all(event_ids: Iterable[int]) -> dict[int, WebhookEvent]:
    """Lock events, in ascending id, until the transaction ends; the caller has locked their references."""
    rows = WebhookEvent.objects.select_for_update(no_key=True, of=("self",)).filter(pk__in=list(event_ids))
    return {event.pk: event for event in rows.order_by("pk")}


def write_payments(paid: Sequence[tuple[WebhookEvent, Order]], *, now: datetime) -> None:
    """Write that each of these events, locked by this transaction, paid its order at `now`."""
    with connection.cursor() as cursor:
        cursor.execute(_PAID, [now, [event.pk for event, _ in paid], [order.pk for _, order in paid]])
    for event, order in paid:
        event.status, event.reason, event.order = Status.APPLIED, "order_paid", order
        event.processed_at, event.next_attempt_at = now, None
        with events.bound_to_request(event.request_id):
            orders.note_paid(order)
            note_decision(event)


def lock(event_id: int, *, seen: WebhookEvent | None = None) -> WebhookEvent:
    """Lock an event, after its references, until the transaction ends; raises `NotFound`. See `process` for `seen`."""
    if seen is None:
        names = ("order_ref", "hold_ref", "payment_ref", "event_id")
        seen = WebhookEvent.objects.filter(pk=event_id).only(*names).first()
    if seen is None:
        raise NotFound("There is no such event.")
    reference_locks.lock_all([references_of(seen)])
    return _lock(event_id)


def references_of(event: WebhookEvent) -> tuple[UUID | None, UUID | None, str]:
    """Return what is locked before an event: its order's and hold's id, and what its payment is known by."""
    return event.order_ref, event.hold_ref, payment_records.payment_id_of(event)


def schedule_retry(event: WebhookEvent, error: Exception) -> None:
    """Note an error of a locked, open event: tried again after a while, or dead after `MAX_ATTEMPTS`."""
    now = clock.now()
    is_last = event.attempts >= MAX_ATTEMPTS
    event.status = Status.DEAD if is_last else Status.FAILED
    event.reason = "gave_up" if is_last else "error"
    event.next_attempt_at = (
        None
        if is_last
        else now
        + backoff.full_jitter(event.attempts, base_seconds=BACKOFF_BASE_SECONDS, cap_seconds=BACKOFF_CAP_SECONDS)
    )
    event.processed_at = now if is_last else None
    event.last_error = f"{type(error).__name__}: {error}"[:ERROR_LENGTH].replace("\x00", "")
    event.save(update_fields=["status", "reason", "next_attempt_at", "processed_at", "last_error"])
    if is_last:
        note_decision(event)


def _process_seen(event: WebhookEvent) -> WebhookEvent:
    return process(event.pk, seen=event)


def _attempt(event: WebhookEvent, process: Process = _process_seen) -> WebhookEvent:
    """Process an event; an error is noted on it and does not get out. Its lines in the log name who brought it."""
    with events.bound_to_request(event.request_id):
        return _tried(event, process)


def _tried(event: WebhookEvent, process: Process) -> WebhookEvent:
    try:
        return process(event)
    except Exception as error:
        events.record("webhook_failed", event_pk=event.pk, attempt=event.attempts, exc_info=True)
        try:
            return _schedule_retry(event.pk, error)
        except Exception:
            # Its lease will run out.
            events.record("webhook_failed", event_pk=event.pk, attempt=event.attempts, exc_info=True)
            return event


@retrying_transaction
def _process(event_pk: int, seen: WebhookEvent | None, *, may_reclaim: bool) -> WebhookEvent:
    event = lock(event_pk, seen=seen)
    if event.status in UNDECIDED:
        decide_and_store(event, may_reclaim=may_reclaim)
    return event


@retrying_transaction_once
def _revive(event_pk: int) -> WebhookEvent:
    event = _lock(event_pk)
    if event.status != Status.DEAD:
        raise NotDead(f"The event is {event.status}, not dead.")
    now = clock.now()
    event.status, event.reason, event.attempts = Status.RECEIVED, "retried_by_staff", 1
    # An event that waited too long for its order may wait once more.
    event.parked_at = event.processed_at = None
    event.next_attempt_at = now + timedelta(seconds=LEASE_SECONDS)
    event.save(update_fields=["status", "reason", "attempts", "parked_at", "next_attempt_at", "processed_at"])
    return event


@retrying_transaction
def _schedule_retry(event_pk: int, error: Exception) -> WebhookEvent:
    event = _lock(event_pk)
    if event.status in UNDECIDED:
        schedule_retry(event, error)
    return event


@retrying_transaction
def _acquire_lease(event_pk: int) -> bool:
    """Count one more try of a due event and put the next one off; says whether this caller may try it.

    Counted before the try, so that an event which kills its process is given up as well.
    """
    now = clock.now()
    due = WebhookEvent.objects.filter(pk=event_pk, status__in=RETRYABLE, next_attempt_at__lte=now)
    lease = now + timedelta(seconds=LEASE_SECONDS)
    if due.filter(attempts__lt=MAX_ATTEMPTS).update(attempts=F("attempts") + 1, next_attempt_at=lease):
        return True
    due.update(status=Status.DEAD, reason="gave_up", next_attempt_at=None, processed_at=now)
    return False


def _lock(event_pk: int) -> WebhookEvent:
    return WebhookEvent.objects.select_for_update(no_key=True, of=("self",)).get(pk=event_pk)


def _judge(event: WebhookEvent, *, may_reclaim: bool) -> Verdict:
    if event.kind == WebhookEvent.Kind.DISPUTE:
        return rules.record_dispute(event) or _without_order(event, now=clock.now())
    try:
        order_id = matching.find_order_id(event)
    except matching.Unmatched as unmatched:
        # A failure is no money: whichever order it means, it ends none for sure.
        is_failure = event.kind == WebhookEvent.Kind.FAILURE
        return Verdict(Status.IGNORED if is_failure else Status.NEEDS_REVIEW, unmatched.reason)
    if order_id is None:
        return rules.apply_without_order(event) or _without_order(event, now=clock.now())
    event.order = orders.lock(order_id)
    return rules.apply(event, event.order, may_reclaim=may_reclaim)


def _without_order(event: WebhookEvent, *, now: datetime) -> Verdict:
    event.parked_at = event.parked_at or now
    if matching.may_still_come(event, now=now):
        return Verdict(Status.PARKED, "order_not_found")
    is_money = event.kind == WebhookEvent.Kind.SUCCESS
    return Verdict(Status.NEEDS_REVIEW if is_money else Status.IGNORED, "order_never_came")

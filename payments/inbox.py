"""The inbox of webhook events: stored first, then processed, retried until they are done or dead.

The only writer of an event's status. If the process dies after any line here, the event is either not stored (the
provider had no 2xx and sends it again) or stored and open (the worker finishes it).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import F

from catalog import overdue
from checkout import orders, references
from flashsale.core import advisory, backoff, clock, events
from flashsale.core.refusals import NotFound, Refusal
from flashsale.core.transactions import durable
from payments import matching, rules
from payments.models import WebhookEvent
from payments.providers.base import Message, Provider, SignatureMismatch
from payments.rules import Verdict

MAX_ATTEMPTS = 12
BACKOFF_BASE_SECONDS = 2
BACKOFF_CAP_SECONDS = 3600
# How long one attempt may take before another may begin; far above every statement and lock timeout together.
LEASE_SECONDS = 60
PARKED_MAX_HOURS = 24
DUE_BATCH_ROWS = 500
ERROR_LENGTH = 500

Status = WebhookEvent.Status
OPEN = frozenset({Status.RECEIVED, Status.FAILED, Status.PARKED})
UNFINISHED = frozenset({Status.RECEIVED, Status.FAILED})

_refused = events.Often("webhook_refused")


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


def receive(provider: Provider, *, body: bytes, headers: Mapping[str, str]) -> Receipt:
    """Verify, store and process one request of a provider.

    Once it is stored, no error gets out: what could not be finished stays open for the worker. Raises
    `SignatureInvalid`, and `UnusableBody` when the bytes are no event.
    """
    try:
        provider.verify(body, headers)
    except SignatureMismatch as error:
        _refused.note(provider=provider.name)
        raise SignatureInvalid(str(error)) from error
    message = provider.translate(body, headers)
    kept = {name: headers[name] for name in provider.kept_headers if name in headers}
    event, is_new = _store(provider.name, message, body=body, headers=kept)
    if event.status in UNFINISHED:
        event = _attempt(event)
    if is_new:
        return Receipt(event=event, is_replay=False, answered_at=event.processed_at or event.received_at)
    events.note("webhook_duplicate", provider=provider.name, event_pk=event.pk, event_id=event.event_id)
    return Receipt(event=event, is_replay=True, answered_at=clock.now())


def process(event_id: int, *, seen: WebhookEvent | None = None) -> WebhookEvent:
    """Process an open event and return it as it then stands; one that is done stays as it is.

    `seen` is the event as somebody has just read it: its references never change.
    """
    try:
        return _process(event_id, seen, may_take_back=True)
    except rules.TakeBackFirst as shortage:
        overdue.take_back(shortage.product_id)
        return _process(event_id, seen, may_take_back=False)


def process_due(*, limit: int = DUE_BATCH_ROWS) -> int:
    """Work off what is due: unfinished events whose time has come, parked ones whose order exists or that are too old.

    An event that fails is put off and holds up no other. Returns how many were tried.
    """
    now = clock.now()
    unfinished = WebhookEvent.objects.filter(status__in=UNFINISHED, next_attempt_at__lte=now)
    too_old = WebhookEvent.objects.filter(status=Status.PARKED, parked_at__lte=now - timedelta(hours=PARKED_MAX_HOURS))
    tried = 0
    for event in unfinished.order_by("next_attempt_at")[:limit]:
        if _claim(event.pk):
            _attempt(event)
            tried += 1
    waiting = [*matching.parked_with_order().order_by("pk")[:limit], *too_old.order_by("parked_at")[:limit]]
    for event in waiting:
        _attempt(event)
    return tried + len(waiting)


def retry(event_id: int) -> WebhookEvent:
    """Give a dead event all its tries again and process it at once; returns it as it then stands. Raises `NotDead`."""
    return _attempt(_revive(event_id))


def settle(event: WebhookEvent, *, may_take_back: bool) -> None:
    """Decide an open event and write the verdict. The transaction holds its references' locks and its row lock."""
    write(event, _judge(event, may_take_back=may_take_back))


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
    _note_decision(event)


def lock(event_id: int, *, seen: WebhookEvent | None = None) -> WebhookEvent:
    """Lock an event, after its references, until the transaction ends; raises `NotFound`. See `process` for `seen`."""
    if seen is None:
        seen = WebhookEvent.objects.filter(pk=event_id).only("order_ref", "hold_ref", "payment_ref").first()
    if seen is None:
        raise NotFound("There is no such event.")
    references.lock(order_id=seen.order_ref, hold_id=seen.hold_ref, payment_id=seen.payment_ref)
    return _lock(event_id)


def put_off(event: WebhookEvent, error: Exception) -> None:
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
        _note_decision(event)


@durable
def _store(provider: str, message: Message, *, body: bytes, headers: dict[str, str]) -> tuple[WebhookEvent, bool]:
    """Commit the event before anything believes it; return it and whether it is new."""
    advisory.lock([f"event:{provider}:{message.event_id}"])
    same_id = {
        event.fingerprint: event
        for event in WebhookEvent.objects.filter(provider=provider, event_id=message.event_id).select_related("order")
    }
    if message.fingerprint in same_id:
        return same_id[message.fingerprint], False
    now = clock.now()
    verdict = rules.on_receipt(message, is_id_reused=bool(same_id))
    is_open = verdict.status == Status.RECEIVED
    event = WebhookEvent(
        provider=provider,
        event_id=message.event_id,
        fingerprint=message.fingerprint,
        body=body,
        headers=headers,
        type=message.type,
        kind=message.kind,
        order_ref=message.order_id,
        hold_ref=message.hold_id,
        payment_ref=message.payment_id,
        refund_ref=message.refund_id,
        amount=message.amount,
        amount_is_total=message.amount_is_total,
        currency=message.currency,
        malformed=message.malformed,
        status=verdict.status,
        reason=verdict.reason,
        attempts=1 if is_open else 0,
        next_attempt_at=now + timedelta(seconds=LEASE_SECONDS) if is_open else None,
        received_at=now,
        processed_at=None if is_open else now,
        request_id=events.request_id(),
    )
    event.save(force_insert=True)
    if not is_open:
        _note_decision(event)
    return event, True


def _attempt(event: WebhookEvent) -> WebhookEvent:
    """Process an event; an error is noted on it and does not get out. Its lines in the log name who brought it."""
    with events.of_request(event.request_id):
        return _tried(event)


def _tried(event: WebhookEvent) -> WebhookEvent:
    try:
        return process(event.pk, seen=event)
    except Exception as error:
        events.note("webhook_failed", event_pk=event.pk, attempt=event.attempts, exc_info=True)
        try:
            return _put_off(event.pk, error)
        except Exception:
            # Its lease will run out.
            events.note("webhook_failed", event_pk=event.pk, attempt=event.attempts, exc_info=True)
            return event


@durable
def _process(event_pk: int, seen: WebhookEvent | None, *, may_take_back: bool) -> WebhookEvent:
    event = lock(event_pk, seen=seen)
    if event.status in OPEN:
        settle(event, may_take_back=may_take_back)
    return event


@durable
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


@durable
def _put_off(event_pk: int, error: Exception) -> WebhookEvent:
    event = _lock(event_pk)
    if event.status in OPEN:
        put_off(event, error)
    return event


@durable
def _claim(event_pk: int) -> bool:
    """Count one more try of a due event and put the next one off; says whether this caller may try it.

    Counted before the try, so that an event which kills its process is given up as well.
    """
    now = clock.now()
    due = WebhookEvent.objects.filter(pk=event_pk, status__in=UNFINISHED, next_attempt_at__lte=now)
    lease = now + timedelta(seconds=LEASE_SECONDS)
    if due.filter(attempts__lt=MAX_ATTEMPTS).update(attempts=F("attempts") + 1, next_attempt_at=lease):
        return True
    due.update(status=Status.DEAD, reason="gave_up", next_attempt_at=None, processed_at=now)
    return False


def _note_decision(event: WebhookEvent) -> None:
    events.note_at_commit(
        "webhook_processed", provider=event.provider, status=str(event.status), reason=event.reason,
        event_pk=event.pk, event_id=event.event_id, order_id=event.order_id,
    )  # fmt: skip


def _lock(event_pk: int) -> WebhookEvent:
    return WebhookEvent.objects.select_for_update(no_key=True, of=("self",)).get(pk=event_pk)


def _judge(event: WebhookEvent, *, may_take_back: bool) -> Verdict:
    try:
        order_id = matching.find_order_id(event)
    except matching.Unmatched as unmatched:
        return Verdict(Status.NEEDS_REVIEW, unmatched.reason)
    if order_id is None:
        return rules.apply_without_order(event) or _without_order(event, now=clock.now())
    event.order = orders.lock(order_id)
    return rules.apply(event, event.order, may_take_back=may_take_back)


def _without_order(event: WebhookEvent, *, now: datetime) -> Verdict:
    event.parked_at = event.parked_at or now
    if now - event.parked_at >= timedelta(hours=PARKED_MAX_HOURS):
        return Verdict(Status.DEAD, "order_never_came")
    return Verdict(Status.PARKED, "order_not_found")

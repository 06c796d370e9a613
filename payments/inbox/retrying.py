"""Processes events again: due ones by the worker, dead ones by staff."""

from flashsale.core import clock
from flashsale.core.refusals import Refusal
from flashsale.core.submissions.once import retrying_transaction_once
from payments.inbox import batching, matching, processing
from payments.models import WebhookEvent

DUE_BATCH_ROWS = 500


class NotDead(Refusal):
    code = "event_not_dead"
    title = "Only dead events are retried"


def process_due(*, limit: int = DUE_BATCH_ROWS) -> int:
    """Process what is due, at most `limit` of each kind; return how many events were processed.

    Due are received and failed events at their `next_attempt_at`, and parked ones whose order exists by now or can no
    longer be created. An event that fails is scheduled again and does not delay the others.
    """
    now = clock.now()
    processed = 0
    for event in processing.retryable(now).order_by("next_attempt_at")[:limit]:
        if processing.acquire_lease(event):
            batching.process(event)
            processed += 1
    expired = matching.parked_expired(now).order_by("parked_at")
    parked = [*matching.parked_with_order().order_by("parked_at")[:limit], *expired[:limit]]
    for event in parked:
        batching.process(event)
    return processed + len(parked)


def retry(event_id: int) -> WebhookEvent:
    """Give a dead event all its attempts again and process it at once; return the updated event.

    Raises `NotDead`.
    """
    return batching.process(_revive(event_id))


@retrying_transaction_once
def _revive(event_id: int) -> WebhookEvent:
    event = processing.lock(event_id)
    if event.status != WebhookEvent.Status.DEAD:
        raise NotDead(f"The event is {event.status}, not dead.")
    processing.restart(event)
    return event

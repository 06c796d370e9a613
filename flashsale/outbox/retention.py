"""Old events are deleted, from the oldest on: readers whose cursor is before that are told."""

import itertools
from datetime import timedelta

from flashsale.core import clock
from flashsale.core.transactions import retrying_transaction
from flashsale.outbox.models import Delivery, Event, Numbering

EVENTS_KEPT_DAYS = 30
PURGE_BATCH_ROWS = 5_000


@retrying_transaction
def purge_events(*, limit: int = PURGE_BATCH_ROWS) -> int:
    """Delete at most `limit` events older than `EVENTS_KEPT_DAYS`, oldest first; return how many.

    Their deliveries go with them.
    """
    recorded_before = clock.now() - timedelta(days=EVENTS_KEPT_DAYS)
    oldest = Event.objects.order_by("sequence").values_list("sequence", "recorded_at")[:limit]
    old = [sequence for sequence, _ in itertools.takewhile(lambda event: event[1] < recorded_before, oldest)]
    if old:
        Delivery.objects.filter(event__lte=old[-1]).delete()
        Event.objects.filter(sequence__lte=old[-1]).delete()
        Numbering.objects.update(purged_through=old[-1])
    return len(old)

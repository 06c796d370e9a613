"""Periodic tasks for events; each may run twice, late, or on several workers at once."""

from celery import shared_task

from flashsale.outbox import retention

MAX_BATCHES = 100


@shared_task
def purge_events() -> None:
    """Delete old events, batch after batch."""
    for _ in range(MAX_BATCHES):
        if retention.purge_events() < retention.PURGE_BATCH_ROWS:
            return

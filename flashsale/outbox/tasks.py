"""Periodic tasks for events; each may run twice, late, or on several workers at once."""

from celery import shared_task

from flashsale.outbox import retention
from flashsale.outbox.deliveries import purging, sending

MAX_BATCHES = 100


@shared_task
def send_webhooks() -> None:
    """Send the deliveries that are due."""
    sending.run()


@shared_task
def purge_deliveries() -> None:
    """Delete old tests, and deleted endpoints with their deliveries, batch after batch."""
    for _ in range(MAX_BATCHES):
        if purging.purge_deliveries() < purging.PURGE_BATCH_ROWS:
            return


@shared_task
def purge_events() -> None:
    """Delete old events, batch after batch."""
    for _ in range(MAX_BATCHES):
        if retention.purge_events() < retention.PURGE_BATCH_ROWS:
            return

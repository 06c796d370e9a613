"""Scheduled tasks for forms of the admin; each may run twice, late, or on several workers at once."""

from celery import shared_task

from flashsale.core.submissions import once, uploads

MAX_BATCHES = 100


@shared_task
def purge_submissions() -> None:
    """Delete uploads that were not confirmed, and old tokens of forms, batch after batch."""
    uploads.purge()
    for _ in range(MAX_BATCHES):
        if once.purge() < once.PURGE_BATCH_ROWS:
            return

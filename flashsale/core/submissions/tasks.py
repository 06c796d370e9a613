"""Scheduled tasks for what acts once; each may run twice, late, or on several workers at once."""

from celery import shared_task

from flashsale.core.submissions import keyed_requests, once, uploads

MAX_BATCHES = 100


@shared_task
def purge_submissions() -> None:
    """Delete uploads that were not confirmed, and old tokens of forms, batch after batch."""
    uploads.purge()
    for _ in range(MAX_BATCHES):
        if once.purge() < once.PURGE_BATCH_ROWS:
            return


@shared_task
def purge_keyed_requests() -> None:
    """Erase secrets in old answers of the back office API, and delete old Idempotency-Keys, batch after batch."""
    for purge in (keyed_requests.erase_secrets, keyed_requests.purge):
        for _ in range(MAX_BATCHES):
            if purge() < keyed_requests.PURGE_BATCH_ROWS:
                break

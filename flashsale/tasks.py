"""Scheduled tasks of the project itself; each may run twice, late, or on several workers at once."""

from celery import shared_task

from flashsale.staff.logins import attempts, sessions

MAX_BATCHES = 100


@shared_task
def purge_logins() -> None:
    """Delete expired sessions, and failed log-ins whose lock is over, in batches."""
    for purge, rows in (
        (sessions.purge, sessions.PURGE_BATCH_ROWS),
        (attempts.purge, attempts.PURGE_BATCH_ROWS),
    ):
        for _ in range(MAX_BATCHES):
            if purge() < rows:
                break

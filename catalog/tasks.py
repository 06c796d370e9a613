"""Scheduled tasks of the catalog; each may run twice, late, or on several workers at once."""

from celery import shared_task

from catalog import snapshot_refresh


@shared_task
def refresh_availability() -> None:
    """Rebuild the cached product answers from PostgreSQL. Fails, and is logged, when Redis does not answer."""
    snapshot_refresh.refresh_availability()

"""What the beat does for holds and orders; each task may run twice, late, or on several workers at once."""

from dataclasses import asdict

from celery import shared_task

from checkout import audit, holds, orders, retention
from flashsale.core import events

MAX_BATCHES = 100


@shared_task
def expire_holds() -> None:
    """Expire overdue holds, batch after batch, until none is left or `MAX_BATCHES` are done."""
    for _ in range(MAX_BATCHES):
        if holds.expire_due() < holds.EXPIRY_BATCH_ROWS:
            return


@shared_task
def expire_orders() -> None:
    """Expire overdue orders, batch after batch, until none is left or `MAX_BATCHES` are done."""
    for _ in range(MAX_BATCHES):
        if orders.expire_due() < orders.EXPIRY_BATCH_ROWS:
            return


@shared_task
def audit_stock() -> None:
    """Report every product whose counters disagree with its holds and orders; repair nothing."""
    found = audit.find_drift()
    for drift in found:
        events.record("stock_drift", **asdict(drift))
    audit.note_result(len(found))


@shared_task
def purge_holds() -> None:
    """Delete old holds that never became orders, batch after batch."""
    for _ in range(MAX_BATCHES):
        if retention.purge_holds() < retention.PURGE_BATCH_ROWS:
            return

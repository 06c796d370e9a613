"""Periodic tasks for holds and orders; each may run twice, late, or on several workers at once."""

from collections.abc import Callable
from dataclasses import asdict

from celery import shared_task

from checkout import audit, holds, orders, refusal_counts, retention
from checkout.expiry import EXPIRY_BATCH_ROWS
from flashsale.core import events

MAX_BATCHES = 100


@shared_task
def expire_holds() -> None:
    """Expire overdue holds, batch after batch, until none is left or `MAX_BATCHES` are done."""
    _run_batches(holds.expire_due, batch_rows=EXPIRY_BATCH_ROWS)


@shared_task
def expire_orders() -> None:
    """Expire overdue orders, batch after batch, until none is left or `MAX_BATCHES` are done."""
    _run_batches(orders.expire_due, batch_rows=EXPIRY_BATCH_ROWS)


@shared_task
def audit_stock() -> None:
    """Report every product whose counters disagree with its holds and orders; repair nothing."""
    drifts = audit.find_drift()
    for drift in drifts:
        events.record("stock_drift", **asdict(drift))
    audit.store_result(len(drifts))


@shared_task
def purge_holds() -> None:
    """Delete old holds that never became orders, batch after batch."""
    _run_batches(retention.purge_holds, batch_rows=retention.PURGE_BATCH_ROWS)


@shared_task
def compact_refusal_counts() -> None:
    """Merge the refusals of old seconds into minutes and delete those of old minutes, batch after batch."""
    _run_batches(refusal_counts.compact, batch_rows=refusal_counts.COMPACTION_BATCH_ROWS)
    _run_batches(refusal_counts.purge, batch_rows=refusal_counts.COMPACTION_BATCH_ROWS)


def _run_batches(run: Callable[[], int], *, batch_rows: int) -> None:
    for _ in range(MAX_BATCHES):
        if run() < batch_rows:
            return

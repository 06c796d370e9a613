"""Periodic tasks for webhook events and refunds; each may run twice, late, or on several workers at once."""

from celery import shared_task

from payments import asking, attempts, inbox, refunds, retention
from payments.inbox.retrying import DUE_BATCH_ROWS

MAX_BATCHES = 100
# For a provider's lists, which are long when they were not read for days.
LIST_SECONDS = 900


@shared_task
def reconcile_webhook_events() -> None:
    """Process events that are due, batch after batch, until none is left or `MAX_BATCHES` are done."""
    for _ in range(MAX_BATCHES):
        if inbox.process_due() < DUE_BATCH_ROWS:
            return


@shared_task
def refund_payments() -> None:
    """Refund what is due through the providers that are set up for it."""
    refunds.send_due()


@shared_task
def start_and_close_payments() -> None:
    """Make and close, at their provider, the payments of orders whose time has come."""
    attempts.run_due()


@shared_task
def look_up_payments() -> None:
    """Ask the provider about payments that it has not told of for a while."""
    attempts.look_up_due()


@shared_task(soft_time_limit=LIST_SECONDS, time_limit=LIST_SECONDS + 60)
def sweep_events() -> None:
    """Take the events of the shop's payments that the providers list, and that no webhook brought."""
    asking.sweep_all()


@shared_task(soft_time_limit=LIST_SECONDS, time_limit=LIST_SECONDS + 60)
def compare_payments() -> None:
    """Compare the shop's payments at the providers with those that are recorded."""
    asking.compare_all()


@shared_task
def purge_event_bodies() -> None:
    """Delete old event bodies, batch after batch."""
    for _ in range(MAX_BATCHES):
        if retention.purge_bodies() < retention.PURGE_BATCH_ROWS:
            return

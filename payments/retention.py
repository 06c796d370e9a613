"""Deletes the raw bodies of old webhook events. Their ids and verdicts stay."""

from datetime import timedelta

from flashsale.core import clock
from flashsale.core.transactions import retrying_transaction
from payments.models import WebhookEvent

BODIES_KEPT_DAYS = 90
PURGE_BATCH_ROWS = 5_000


@retrying_transaction
def purge_bodies(*, limit: int = PURGE_BATCH_ROWS) -> int:
    """Delete at most `limit` event bodies older than `BODIES_KEPT_DAYS`, with their headers; return how many."""
    received_before = clock.now() - timedelta(days=BODIES_KEPT_DAYS)
    old = WebhookEvent.objects.filter(body__isnull=False, received_at__lt=received_before)
    ids = list(old.order_by("received_at").values_list("pk", flat=True)[:limit])
    return WebhookEvent.objects.filter(pk__in=ids).update(body=None, headers={})

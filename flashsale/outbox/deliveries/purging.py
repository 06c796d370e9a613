"""Deletes what is not needed any more: deliveries of events go with their events."""

from datetime import timedelta

from django.db.models import Exists, OuterRef

from flashsale.core import clock
from flashsale.core.transactions import retrying_transaction
from flashsale.outbox.models import Delivery, Endpoint

TESTS_KEPT_DAYS = 30
PURGE_BATCH_ROWS = 5_000


@retrying_transaction
def purge_deliveries(*, limit: int = PURGE_BATCH_ROWS) -> int:
    """Delete at most `limit` deliveries of deleted endpoints, else old tests; return how many.

    An endpoint that was deleted goes with its last delivery.
    """
    deleted = Endpoint.objects.filter(deleted_at__isnull=False)
    of_deleted = Delivery.objects.filter(endpoint__in=deleted)
    old_tests = Delivery.objects.filter(event=None, created_at__lt=clock.now() - timedelta(days=TESTS_KEPT_DAYS))
    ids = list(of_deleted.values_list("pk", flat=True)[:limit]) or list(old_tests.values_list("pk", flat=True)[:limit])
    count = Delivery.objects.filter(pk__in=ids).delete()[0]
    deleted.exclude(Exists(Delivery.objects.filter(endpoint=OuterRef("pk")))).delete()
    return count

"""Old holds that never became orders are deleted."""

from datetime import timedelta

from checkout.models import Hold
from flashsale.core import clock
from flashsale.core.transactions import retrying_transaction

HOLDS_KEPT_DAYS = 30
PURGE_BATCH_ROWS = 5_000


@retrying_transaction
def purge_holds(*, limit: int = PURGE_BATCH_ROWS) -> int:
    """Delete at most `limit` holds that ended without an order `HOLDS_KEPT_DAYS` ago; return how many."""
    ended_before = clock.now() - timedelta(days=HOLDS_KEPT_DAYS)
    old = Hold.objects.filter(
        status__in=[Hold.Status.RELEASED, Hold.Status.EXPIRED], ended_at__lt=ended_before, order__isnull=True
    )
    ids = list(old.order_by("ended_at").values_list("pk", flat=True)[:limit])
    deleted, _ = Hold.objects.filter(pk__in=ids).delete()
    return deleted

"""Refused claims in PostgreSQL: by second for `SECONDS_KEPT_HOURS`, then by minute for `MINUTES_KEPT_DAYS`."""

from datetime import UTC, datetime, timedelta

from django.db import connection

from checkout.models import RefusalCount
from checkout.refusal_counts.counting import Counts
from flashsale.core import clock
from flashsale.core.statements import array

SECONDS_KEPT_HOURS = 3
MINUTES_KEPT_DAYS = 90
COMPACTION_BATCH_ROWS = 5_000

# Sorted: several processes write the same rows at the same time, and would deadlock in another order.
_ADD = """
INSERT INTO checkout_refusalcount AS stored (product_id, code, began_at, seconds, claims)
SELECT product_id, code, began_at, 1, claims
FROM unnest(%s::bigint[], %s::text[], %s::timestamptz[], %s::integer[]) AS counted (product_id, code, began_at, claims)
ORDER BY product_id, began_at, code
ON CONFLICT (product_id, seconds, began_at, code) DO UPDATE SET claims = stored.claims + excluded.claims
"""

_COMPACT = """
WITH chosen AS (
    SELECT id FROM checkout_refusalcount WHERE seconds = 1 AND began_at < %s
    ORDER BY began_at LIMIT %s FOR UPDATE SKIP LOCKED
), deleted AS (
    DELETE FROM checkout_refusalcount AS old USING chosen WHERE old.id = chosen.id
    RETURNING old.product_id, old.code, old.began_at, old.claims
), inserted AS (
    INSERT INTO checkout_refusalcount AS stored (product_id, code, began_at, seconds, claims)
    SELECT product_id, code, date_trunc('minute', began_at), 60, sum(claims) FROM deleted
    GROUP BY product_id, date_trunc('minute', began_at), code
    ORDER BY product_id, date_trunc('minute', began_at), code
    ON CONFLICT (product_id, seconds, began_at, code) DO UPDATE SET claims = stored.claims + excluded.claims
)
SELECT count(*) FROM deleted
"""


def add(counts: Counts) -> None:
    """Add the counts to those of the same seconds, in one statement. After a lost connection it may have been done."""
    moments = [datetime.fromtimestamp(period.second, tz=UTC) for period in counts]
    columns = [
        array(period.product_id for period in counts),
        array(period.code for period in counts),
        array(moment.isoformat() for moment in moments),
        array(counts.values()),
    ]
    with connection.cursor() as cursor:
        cursor.execute(_ADD, columns)


def compact(*, limit: int = COMPACTION_BATCH_ROWS) -> int:
    """Merge at most `limit` old rows of seconds into rows of minutes, in one statement; return how many."""
    before = clock.now() - timedelta(hours=SECONDS_KEPT_HOURS)
    with connection.cursor() as cursor:
        cursor.execute(_COMPACT, [before, limit])
        return int(cursor.fetchone()[0])


def purge(*, limit: int = COMPACTION_BATCH_ROWS) -> int:
    """Delete at most `limit` rows of minutes that are older than `MINUTES_KEPT_DAYS`; return how many."""
    before = clock.now() - timedelta(days=MINUTES_KEPT_DAYS)
    old = RefusalCount.objects.filter(seconds=RefusalCount.MINUTE, began_at__lt=before).order_by("began_at")
    ids = list(old.values_list("pk", flat=True)[:limit])
    deleted, _ = RefusalCount.objects.filter(pk__in=ids).delete()
    return deleted

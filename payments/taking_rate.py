"""How many buyers a second can start to pay, for the waiting room: what the provider takes, nothing in an outage.

Judged from the attempts in the database, so that all processes agree: the provider answers none when the newest attempt
without an answer is older than an answer takes, and no attempt that was begun after it has one.
"""

from django.conf import settings

from flashsale.core.statements import Query, Statement, fetch
from payments.attempts import time_limits
from payments.models import PaymentAttempt

# Longer than the answer of a slow provider takes, its slot included.
UNANSWERED_SECONDS = time_limits.SLOT_SECONDS + time_limits.REQUEST_SECONDS + 0.5
# More than are asked for at the same time.
NEWEST = 1_000

_ATTEMPT = PaymentAttempt._meta.db_table
# Reads the index of attempts that are being made, which are few, and the newest end of the index by creation.
_IS_OUTAGE = f"""
WITH unanswered AS MATERIALIZED (
    SELECT created_at FROM {_ATTEMPT} WHERE shop_id = %s AND status = 'creating'
    AND (tries > 1 OR asked_at < clock_timestamp() - %s * interval '1 second')
), newest AS MATERIALIZED (
    SELECT created_at, shop_id = %s AND (object_id IS NOT NULL OR status = 'failed') AS is_answered
    FROM {_ATTEMPT} ORDER BY created_at DESC LIMIT %s
)
SELECT last.created_at IS NOT NULL AND NOT EXISTS (
    SELECT FROM newest WHERE newest.is_answered AND newest.created_at > last.created_at
) AS is_outage
FROM (SELECT max(created_at) AS created_at FROM unanswered) AS last
"""  # noqa: S608  a table's name


def buyers_per_second() -> float | None:
    """Return how many buyers a second can start to pay; 0 in an outage, None where the shop makes no payments."""
    if not settings.SHOP_MAKES_PAYMENTS:
        return None
    [is_outage] = fetch(_outage_query())
    return 0.0 if is_outage else float(settings.STRIPE_REQUESTS_PER_SECOND)


def _outage_query() -> Query[bool]:
    params = [settings.SHOP_ID, UNANSWERED_SECONDS, settings.SHOP_ID, NEWEST]
    return Query([Statement(_IS_OUTAGE, params)], lambda results: results[0][0]["is_outage"])

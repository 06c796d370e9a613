"""The audit: do the counters of every product agree with its holds and orders?"""

from dataclasses import dataclass

from django.db import connection, transaction

from flashsale.core import redis_client

AUDIT_TIMEOUT_MS = 60_000
# How long the last result is shown.
RESULT_SECONDS = 600
RESULT_KEY = "flashsale:drift"

_breaker = redis_client.CircuitBreaker(fallback="the audit's result is not shown to staff")

# One statement reads one snapshot, so that concurrent sales cannot look like drift.
_COMPARE = """
WITH committed AS (
    SELECT product_id, sum(reserved) AS reserved, sum(sold) AS sold
    FROM (
        SELECT product_id, sum(quantity) AS reserved, 0 AS sold
        FROM checkout_hold WHERE status = 'active' GROUP BY product_id
        UNION ALL
        SELECT product_id, sum(quantity), 0
        FROM checkout_order WHERE status = 'pending_payment' GROUP BY product_id
        UNION ALL
        SELECT product_id, 0, sum(quantity - restocked_units)
        FROM checkout_order WHERE status = 'paid' GROUP BY product_id
    ) AS claims
    GROUP BY product_id
)
SELECT stock.product_id, stock.total, stock.reserved, coalesce(committed.reserved, 0),
       stock.sold, coalesce(committed.sold, 0)
FROM catalog_stock AS stock LEFT JOIN committed USING (product_id)
WHERE stock.reserved <> coalesce(committed.reserved, 0)
   OR stock.sold <> coalesce(committed.sold, 0)
   OR stock.reserved + stock.sold > stock.total
ORDER BY stock.product_id
"""


@dataclass(frozen=True)
class Drift:
    """Counters of one product that disagree with its holds and orders, all in units."""

    product_id: int
    total: int
    reserved: int
    reserved_expected: int
    sold: int
    sold_expected: int

    def __str__(self) -> str:
        return (
            f"product {self.product_id}: total {self.total}, reserved {self.reserved} (holds and orders say"
            f" {self.reserved_expected}), sold {self.sold} (paid orders, less units put back, say {self.sold_expected})"
        )


def find_drift() -> list[Drift]:
    """Return every product whose counters are wrong, in ascending order of ids; changes nothing.

    May read for up to `AUDIT_TIMEOUT_MS` milliseconds instead of the usual statement timeout.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = {AUDIT_TIMEOUT_MS}")
        cursor.execute(_COMPARE)
        return [Drift(*(int(value) for value in row)) for row in cursor.fetchall()]


def store_result(wrong_products: int) -> None:
    """Store for staff how many products the last audit found to be wrong."""
    _breaker.call(lambda: redis_client.client().set(RESULT_KEY, wrong_products, ex=RESULT_SECONDS))


def last_result() -> int | None:
    """Return how many products the last audit found to be wrong; None when that is not known."""
    stored = _breaker.call(lambda: redis_client.client().get(RESULT_KEY))
    return None if stored is None else int(stored)

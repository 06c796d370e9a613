"""Counts the holds, orders and refused claims of a product, each by the step of a period in which it was made."""

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import OperationalError

from checkout.statistics.periods import Period
from flashsale.core.statements import Row, Statement, send
from flashsale.core.transactions import Busy, retrying_transaction, sqlstate_of

# A product of a million holds is counted in less.
COUNT_SECONDS = 4
QUERY_CANCELED = "57014"

# What overdue rows are shown as does not wait until a sweeper has written it.
_HOLDS = """
SELECT date_bin(%s, created_at, %s) AS at, count(*) AS placed,
    count(*) FILTER (WHERE status = 'released') AS holds_released,
    count(*) FILTER (WHERE status = 'expired' OR status = 'active' AND expires_at <= now()) AS holds_expired
FROM checkout_hold WHERE product_id = %s AND created_at >= %s AND created_at < %s GROUP BY 1
"""
_ORDERS = """
SELECT date_bin(%s, created_at, %s) AS at, currency, count(*) AS ordered,
    count(*) FILTER (WHERE status = 'paid') AS paid,
    count(*) FILTER (WHERE status = 'cancelled') AS cancelled,
    count(*) FILTER (WHERE status = 'expired' OR status = 'pending_payment' AND payment_due_at <= now()) AS expired,
    coalesce(sum(quantity) FILTER (WHERE status = 'paid'), 0) AS units_sold,
    coalesce(sum(total_amount) FILTER (WHERE status = 'paid'), 0) AS amount,
    coalesce(sum(refunded_amount) FILTER (WHERE status = 'paid'), 0) AS refunded
FROM checkout_order WHERE product_id = %s AND created_at >= %s AND created_at < %s GROUP BY 1, 2
"""
# Stored by second at first, by minute later.
_REFUSALS = """
SELECT date_bin(%s, began_at, %s) AS at, code, sum(claims) AS claims
FROM checkout_refusalcount
WHERE product_id = %s AND seconds IN (1, 60) AND began_at >= %s AND began_at < %s GROUP BY 1, 2
"""
_NUMBERS = ("placed", "holds_released", "holds_expired", "ordered", "paid", "cancelled", "expired", "units_sold")


@dataclass(frozen=True)
class Revenue:
    """The totals of paid orders in one currency, and how much of them was given back since."""

    amount: Decimal = Decimal(0)
    refunded: Decimal = Decimal(0)


@dataclass(frozen=True)
class Counts:
    """How many holds and orders were made, what became of them, and the refused claims by their code.

    `expired` and `cancelled` are orders; `units_sold` and `revenue`, by currency, are those of paid orders.
    """

    placed: int = 0
    holds_released: int = 0
    holds_expired: int = 0
    ordered: int = 0
    paid: int = 0
    cancelled: int = 0
    expired: int = 0
    units_sold: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    revenue: dict[str, Revenue] = field(default_factory=dict)

    @classmethod
    def of(cls, row: Row) -> "Counts":
        """Return what one row of the queries counts."""
        numbers: dict[str, Any] = {name: int(row.get(name, 0)) for name in _NUMBERS}
        counts = cls(**numbers)
        if "code" in row:
            counts.refused[row["code"]] = int(row["claims"])
        if row.get("paid"):
            counts.revenue[row["currency"]] = Revenue(row["amount"], row["refunded"])
        return counts

    def __add__(self, other: "Counts") -> "Counts":
        numbers: dict[str, Any] = {name: getattr(self, name) + getattr(other, name) for name in _NUMBERS}
        revenue = dict(self.revenue)
        for currency, more in other.revenue.items():
            own = revenue.get(currency, Revenue())
            revenue[currency] = Revenue(own.amount + more.amount, own.refunded + more.refunded)
        return Counts(**numbers, refused=self.refused + other.refused, revenue=revenue)


def count(product_id: int, period: Period) -> dict[datetime, Counts]:
    """Return the counts of each step of the period, by its beginning.

    Raises `Busy` when a query takes longer than `COUNT_SECONDS`.
    """
    counts = {start: Counts() for start in period.starts()}
    for row in _rows(product_id, period):
        counts[row["at"]] += Counts.of(row)
    return counts


def _rows(product_id: int, period: Period) -> Iterable[Row]:
    try:
        return _read([period.step, period.since, product_id, period.since, period.until])
    except OperationalError as error:
        if sqlstate_of(error) != QUERY_CANCELED:
            raise
        raise Busy("This period has too much to count in time: ask for a shorter one.") from error


@retrying_transaction
def _read(params: Sequence[object]) -> list[Row]:
    limit = Statement("SET LOCAL statement_timeout = %s", [1_000 * COUNT_SECONDS])
    counted = [Statement(sql, params) for sql in (_HOLDS, _ORDERS, _REFUSALS)]
    return list(itertools.chain(*send([limit, *counted])))

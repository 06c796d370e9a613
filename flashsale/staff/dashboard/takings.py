"""Money taken, by currency: in the last hour, today in the shop's time zone, and today for each product."""

from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.utils import timezone

from flashsale.core import money
from flashsale.staff.dashboard import settled

MINUTES_SHOWN = 60

# Payments by minute and currency; orders that are paid by product and currency. Amounts taken, and given back of them.
_TAKINGS = """
SELECT floor(date_part('epoch', created_at) / 60)::bigint, NULL::bigint, currency, sum(amount), sum(refunded_amount)
FROM payments_payment WHERE created_at >= %(since)s AND created_at < %(until)s GROUP BY 1, 3
UNION ALL
SELECT NULL, product_id, currency, sum(total_amount), sum(refunded_amount)
FROM checkout_order WHERE status = 'paid' AND created_at >= %(since)s AND created_at < %(until)s
    AND created_at >= %(today)s GROUP BY 2, 3
"""


@dataclass(frozen=True)
class Takings:
    """Amounts as text. `rows`: of each currency, in the last hour and today; `of_products`: today's paid orders."""

    rows: list[dict[str, Any]]
    of_products: dict[int, list[str]]


def read(now: int) -> Takings:
    """Return the money that was taken until `now` (seconds since the epoch). Sums never mix currencies."""
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    today = int(midnight.timestamp())
    # Shortly after midnight, the last hour began yesterday.
    since = min(today, now // 3600 * 3600 - 3600)
    sums = settled.read("money", _TAKINGS, keys=3, since=since, now=now, today=midnight)
    in_hour, in_day = (
        _by_currency({key: amounts for key, amounts in sums.items() if key[0] is not None and key[0] >= first})
        for first in (now // 60 - MINUTES_SHOWN + 1, today // 60)
    )
    of_products: dict[int, list[str]] = defaultdict(list)
    for (_minute, product_id, currency), (taken, _back) in sums.items():
        if product_id is not None:
            of_products[product_id].append(money.written(taken, currency))
    rows = [
        {"currency": currency, "periods": [_amounts(in_hour, currency), _amounts(in_day, currency)]}
        for currency in sorted({*in_hour, *in_day})
    ]
    return Takings(rows, dict(of_products))


def _by_currency(sums: settled.Sums) -> dict[str, tuple[Decimal, Decimal]]:
    total: dict[str, tuple[Decimal, Decimal]] = {}
    for (_minute, _product_id, currency), (taken, back) in sums.items():
        before_taken, before_back = total.get(currency, (Decimal(0), Decimal(0)))
        total[currency] = (before_taken + taken, before_back + back)
    return total


def _amounts(total: dict[str, tuple[Decimal, Decimal]], currency: str) -> dict[str, str]:
    """Return the amount taken and the one given back of it, which is empty where nothing was."""
    taken, back = total.get(currency, (Decimal(0), Decimal(0)))
    return {"taken": money.written(taken, currency), "back": money.written(back, currency) if back else ""}

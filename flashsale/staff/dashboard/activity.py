"""Holds, orders, payments and refusals by second and by minute, and how many holds became orders, and paid ones."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from flashsale.staff.dashboard import settled
from flashsale.staff.dashboard.permissions import VIEW_HOLD, VIEW_ORDER
from flashsale.staff.dashboard.settled import Sums

SECONDS_SHOWN = 600
MINUTES_SHOWN = 60
SERIES = ("holds", "orders", "payments", "refusals")

# By second; `done` are holds that became orders, and orders that are paid. PostgreSQL truncates times in the session's
# zone, which may have an hour twice.
_ACTIVITY = """
SELECT 'holds', floor(date_part('epoch', created_at))::bigint, count(*), count(*) FILTER (WHERE status = 'converted')
FROM checkout_hold WHERE created_at >= %(since)s AND created_at < %(until)s GROUP BY 2
UNION ALL
SELECT 'orders', floor(date_part('epoch', created_at))::bigint, count(*), count(*) FILTER (WHERE status = 'paid')
FROM checkout_order WHERE created_at >= %(since)s AND created_at < %(until)s GROUP BY 2
UNION ALL
SELECT 'payments', floor(date_part('epoch', created_at))::bigint, count(*), 0
FROM payments_payment WHERE created_at >= %(since)s AND created_at < %(until)s GROUP BY 2
UNION ALL
SELECT 'refusals', floor(date_part('epoch', began_at))::bigint, sum(claims), 0
FROM checkout_refusalcount WHERE seconds = 1 AND began_at >= %(since)s AND began_at < %(until)s GROUP BY 2
"""


@dataclass(frozen=True)
class Activity:
    """What happened in the last hour, until the second `now` (since the epoch); `sums` are by series and second."""

    now: int
    sums: Sums

    def ranges(self) -> dict[str, dict[str, Any]]:
        """Return the two ranges of the chart, each with its labels and its series of numbers."""
        seconds = range(self.now - SECONDS_SHOWN + 1, self.now + 1)
        minutes = range(self.now // 60 - MINUTES_SHOWN + 1, self.now // 60 + 1)
        return {
            "seconds": {"labels": [_label(second, "%H:%M:%S") for second in seconds], "series": self._series(seconds)},
            "minutes": {
                "labels": [_label(60 * minute, "%H:%M") for minute in minutes],
                "series": self._series(minutes, length=60),
            },
        }

    def conversion(self) -> list[dict[str, Any]]:
        """Return the steps from hold to paid order: how many of each, and what became of the one before.

        The percentages are of the rows created in the last hour: at most 100. Without any rows there are no steps.
        """
        holds, ordered = self._total("holds")
        orders, paid = self._total("orders")
        if not holds and not orders:
            return []
        return [
            {"name": "holds", "n": holds, "permission": VIEW_HOLD},
            {"name": "orders", "n": orders, "permission": VIEW_ORDER}
            | _note(ordered, holds, "% of the holds were ordered", permission=VIEW_HOLD),
            {"name": "paid", "n": paid, "permission": VIEW_ORDER}
            | _note(paid, orders, "% of the orders are paid", permission=VIEW_ORDER),
        ]

    def _series(self, periods: range, *, length: int = 1) -> dict[str, list[int]]:
        """Return how often each happened in each of the periods of `length` seconds."""
        series = {name: [0] * len(periods) for name in SERIES}
        for (name, second), (count, _done) in self.sums.items():
            place = second // length - periods.start
            if 0 <= place < len(periods):
                series[name][place] += int(count)
        return series

    def _total(self, series: str) -> tuple[int, int]:
        counts = [numbers for (name, _second), numbers in self.sums.items() if name == series]
        return sum(count for count, _ in counts), sum(done for _, done in counts)


def read(now: int) -> Activity:
    """Return what happened in the last hour before `now` (seconds since the epoch): `MINUTES_SHOWN` begun minutes."""
    since = 60 * (now // 60 - MINUTES_SHOWN + 1)
    return Activity(now, settled.read("activity", _ACTIVITY, keys=2, since=since, now=now))


def _label(second: int, pattern: str) -> str:
    return datetime.fromtimestamp(second, tz=timezone.get_current_timezone()).strftime(pattern)


def _note(part: int, whole: int, text: str, *, permission: str) -> dict[str, str]:
    """Return a step's note, empty where there is nothing to compare with, and the permission that it needs."""
    return {"note": f"{round(100 * part / whole)}{text}" if whole else "", "note_permission": permission}

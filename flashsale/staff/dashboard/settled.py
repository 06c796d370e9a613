"""Sums over rows by their time of creation: of old rows twice a minute, of those of the last minutes at every call.

In a rush a hundred thousand rows are created in an hour: counting all of them every two seconds would take a tenth of a
core. What happens later to an old row (its order is paid, its payment refunded) shows within `SETTLED_SECONDS`.
"""

from datetime import UTC, datetime
from typing import Any

from django.core.cache import cache
from django.db import connection

# Rows created in the last minutes still change much.
LIVE_SECONDS = 300
SETTLED_SECONDS = 30

# Numbers by what they are of.
Sums = dict[tuple[Any, ...], tuple[Any, ...]]


def read(name: str, sql: str, *, keys: int, since: int, now: int, **params: Any) -> Sums:
    """Return what the query sums up of the rows created since `since`; times are seconds since the epoch.

    The first `keys` columns of its rows say what the numbers in the others are of. Its parameters are `since`, and
    `until` (excluded), and `params`. The sums of old rows are cached under `name`.
    """
    split = max(since, now - LIVE_SECONDS)
    settled_until, settled = cache.get_or_set(
        f"dashboard.{name}.{since}", lambda: (split, _sums(sql, keys, since, split, params)), SETTLED_SECONDS
    )
    sums = dict(settled)
    for key, numbers in _sums(sql, keys, settled_until, None, params).items():
        before = sums.get(key)
        sums[key] = numbers if before is None else tuple(map(sum, zip(before, numbers, strict=True)))
    return sums


def _sums(sql: str, keys: int, since: int, until: int | None, params: dict[str, Any]) -> Sums:
    moments = {"since": _moment(since), "until": "infinity" if until is None else _moment(until)}
    with connection.cursor() as cursor:
        cursor.execute(sql, params | moments)
        return {row[:keys]: row[keys:] for row in cursor.fetchall()}


def _moment(second: int) -> str:
    return datetime.fromtimestamp(second, tz=UTC).isoformat()

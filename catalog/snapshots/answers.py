"""A product's answer as of one version of its stock row, and for how long it may be used."""

import dataclasses
import time
from collections.abc import Callable
from typing import Any, TypeVar

from catalog.availability import LOOKAHEAD, ProductForecast
from catalog.sales import SaleStatus

MAX_AGE_MS = int(LOOKAHEAD.total_seconds() * 1000)
# The statuses that depend on the available units alone.
STOCK_DRIVEN_STATUSES = frozenset({SaleStatus.LIVE, SaleStatus.SOLD_OUT})

# The members of each answer: one that lacks any was stored by a process of an older version, and is not used.
MEMBERS = frozenset({
    "id", "name", "description", "price", "currency", "total_stock", "available_stock", "is_sold_out", "sale_status",
    "sale_starts_at", "sale_ends_at", "max_per_hold", "max_per_customer", "sku", "image_url", "queue", "queue_opens_at",
    "updated_at",
})  # fmt: skip

Body = TypeVar("Body")


@dataclasses.dataclass(slots=True)
class Snapshot:
    """The members of a product's answer: many requests share them, so they are not to be changed.

    `version` is the stock row's. `tracks_stock`: the counters of a later version may be written into it; an answer that
    counts overdue units as available does not allow that. It may be used until `expires_at` (monotonic seconds), which
    is `MAX_AGE_MS` after the read from PostgreSQL began and never moved.
    """

    members: dict[str, Any]
    version: int
    tracks_stock: bool
    expires_at: float
    _rendered: Any = dataclasses.field(default=None, repr=False, compare=False)

    @classmethod
    def of(cls, forecast: ProductForecast, members: dict[str, Any], *, read_started: float) -> "Snapshot":
        """Return the answer rendered from a forecast whose query began at `read_started` (monotonic seconds).

        It has expired already when the passage of time alone changes it before its time ends.
        """
        view = forecast.view
        expires_at = read_started if forecast.changes_soon else read_started + MAX_AGE_MS / 1000
        return cls(members, view.stock.version, view.overdue_units == 0, expires_at)

    @property
    def has_expired(self) -> bool:
        """Say whether it may no longer be used."""
        return time.monotonic() >= self.expires_at

    def with_counters(self, *, version: int, total: int, free: int) -> "Snapshot":
        """Return the answer with these counters; it expires when this one does."""
        return Snapshot(with_units(self.members, total=total, available=free), version, True, self.expires_at)

    def rendered(self, render: Callable[[dict[str, Any]], Body]) -> Body:
        """Return `render(members)`, kept from the first call on: every caller passes the same function."""
        if self._rendered is None:
            self._rendered = render(self.members)
        body: Body = self._rendered
        return body


def with_units(members: dict[str, Any], *, total: int, available: int) -> dict[str, Any]:
    """Return a copy of an answer's members with other numbers of units."""
    changed = members | {"total_stock": total, "available_stock": available, "is_sold_out": available <= 0}
    if members["sale_status"] in STOCK_DRIVEN_STATUSES:
        changed["sale_status"] = SaleStatus.SOLD_OUT if available <= 0 else SaleStatus.LIVE
    return changed

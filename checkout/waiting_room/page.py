"""The page of a queue: the same for all clients. The holder of a ticket compares its place with `serving`."""

import math
import random
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from catalog import sales, snapshot_refresh
from catalog.sales import SaleStatus
from checkout.waiting_room import reading
from checkout.waiting_room.queues import QueueView, copies
from flashsale.core.transactions import is_temporary

# Places are shown rounded down, so that what is shown as served is.
_DECIMALS = 10**12
SERVING_POLL_SECONDS, SLOW_POLL_SECONDS, MAX_POLL_SECONDS = 2.0, 5.0, 30.0
# While a crowd waits for the start, each client asks ten times until then, and every ten seconds at least.
POLLS_BEFORE_START, MAX_POLL_BEFORE_START_SECONDS = 10, 10.0
# Clients that were told at the same moment do not come at the same moment.
JITTER = 0.2


class QueueState(StrEnum):
    """The first that applies, except that a sale which is over has `ended` in any case."""

    NOT_OPEN = "not_open"
    OPEN = "open"
    SERVING = "serving"
    PAUSED = "paused"
    SOLD_OUT = "sold_out"
    ENDED = "ended"


_STATES = {
    SaleStatus.ENDED: QueueState.ENDED,
    SaleStatus.PAUSED: QueueState.PAUSED,
    SaleStatus.SOLD_OUT: QueueState.SOLD_OUT,
    SaleStatus.LIVE: QueueState.SERVING,
}


@dataclass(frozen=True, kw_only=True)
class QueuePage:
    """A queue at database time `server_time`. `serving` is a place, `rate` places a second.

    `available` units can be held now; with `may_return`, units of holds and unpaid orders may come back.
    """

    state: QueueState
    serving: float
    rate: float
    seed_hash: str | None
    seed: str | None
    available: int
    may_return: bool
    server_time: datetime
    poll_in_seconds: float


def get(product_id: int) -> QueuePage:
    """Return the page of a product's queue as of now. Raises `NotFound` where it has none."""
    view, now = reading.get(product_id)
    status, available = _sale_of(view, now=now)
    state = _state(view, status, now=now)
    is_known = state != QueueState.NOT_OPEN
    return QueuePage(
        state=state,
        serving=_rounded_down(copies.serving(view, now=now)),
        # Also when it was paused or sold out just now: `serving` grows until that is in force.
        rate=_rounded_down(view.line.rate_at(now)) if view.line else 0.0,
        seed_hash=view.seed_hash if is_known else None,
        seed=view.seed if is_known else None,
        available=available,
        # The copy is older than what is available: it must not call units sold which were held just now.
        may_return=state != QueueState.ENDED and view.unsold_units > available,
        server_time=now,
        poll_in_seconds=_poll_in_seconds(view, state, now=now),
    )


def _sale_of(view: QueueView, *, now: datetime) -> tuple[SaleStatus, int]:
    """Return the status of the sale and the units that can be held: of this copy while nothing newer can be read."""
    try:
        product = snapshot_refresh.read_product(view.product.pk).members
    except Exception as error:
        if not is_temporary(error):
            raise
        return sales.status_of(view.product, available=view.free_units, now=now), view.free_units
    return SaleStatus(product["sale_status"]), product["available_stock"]


def _state(view: QueueView, status: SaleStatus, *, now: datetime) -> QueueState:
    if status == SaleStatus.UPCOMING:
        return QueueState.OPEN if view.is_open_at(now) else QueueState.NOT_OPEN
    return _STATES[status]


def _poll_in_seconds(view: QueueView, state: QueueState, *, now: datetime) -> float:
    """Return when a client should ask again, with jitter; about 2 s while it is served."""
    next_at = {QueueState.NOT_OPEN: view.product.queue_opens_at, QueueState.OPEN: view.product.sale_starts_at}.get(
        state
    )
    if next_at is not None:
        until = max(0.0, (next_at - now).total_seconds())
        seconds = min(max(until / POLLS_BEFORE_START, SERVING_POLL_SECONDS), MAX_POLL_BEFORE_START_SECONDS)
    elif state == QueueState.SERVING:
        seconds = SERVING_POLL_SECONDS
    else:
        seconds = MAX_POLL_SECONDS if state == QueueState.ENDED else SLOW_POLL_SECONDS
    return round(seconds * random.uniform(1 - JITTER, 1 + JITTER), 1)


def _rounded_down(place: float) -> float:
    return math.floor(place * _DECIMALS) / _DECIMALS

"""Joining a queue: a ticket is minted, or given again. Nothing is stored; the database is not asked."""

import math
from datetime import datetime
from typing import NamedTuple

from catalog.sales import SaleEnded, SaleNotStarted
from checkout.waiting_room import reading, tickets
from checkout.waiting_room.counts import counter
from checkout.waiting_room.queues import QueueView


class Joined(NamedTuple):
    """A ticket as its holder keeps it, with its place: None before the draw."""

    ticket: str
    place: float | None
    minted_at: datetime


def join(*, product_id: int, ticket: str | None = None, customer_id: str = "") -> Joined:
    """Return a new ticket, or the given one with its place as far as it is known.

    `customer_id`: vouched for by an API token, else "". Raises `NotFound` for a product without a queue,
    `SaleNotStarted` before the queue opens, `SaleEnded`, and `TicketInvalid` for a given ticket that is none.
    """
    # Not before a draw that this process has read: its seed is known.
    view, now = reading.get(product_id)
    if ticket is not None:
        given = tickets.verified(ticket, product_id=product_id)
        return Joined(ticket, view.place_of(given), given.minted_at)
    _check_open(view, now=now)
    is_drawn = view.drawn_at is not None
    new = tickets.mint(product_id=product_id, customer_id=customer_id, is_drawn=is_drawn, now=now)
    counter.count_ticket(product_id, minted_at=now, is_drawn=is_drawn)
    return Joined(tickets.signed(new), view.place_of(new), now)


def _check_open(view: QueueView, *, now: datetime) -> None:
    opens_at, ends_at = view.product.queue_opens_at, view.product.sale_ends_at
    if not view.is_open_at(now) and opens_at is not None:
        refusal = SaleNotStarted(
            f"The queue opens at {opens_at.isoformat()}.",
            sale_starts_at=view.product.sale_starts_at,
            queue_opens_at=opens_at,
        )
        refusal.retry_after_seconds = max(1, math.ceil((opens_at - now).total_seconds()))
        raise refusal
    if ends_at is not None and now >= ends_at:
        raise SaleEnded(f"The sale ended at {ends_at.isoformat()}.", sale_ends_at=ends_at)

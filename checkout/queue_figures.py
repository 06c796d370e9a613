"""What pages of the admin tell of a product's queue, in words. Registered with `catalog.sale_figures`."""

from collections.abc import Iterator

from catalog.availability import ProductView
from catalog.sale_figures import Figure
from catalog.sales import SaleStatus
from checkout.waiting_room import figures
from checkout.waiting_room.figures import QueueFigures
from checkout.waiting_room.rate import Limit
from flashsale.core import moments

LIMITS = {
    Limit.PAUSE: "the pause",
    Limit.STOCK: "the stock: the buyers who were admitted may take what is left",
    Limit.RATE: "the limit that is set below",
    Limit.PAYMENTS: "the payments that the provider takes",
    Limit.HOLDS: "the holds that the shop can take",
}
HOW_TO_CHECK = (
    "The SHA-256 of the seed is its hash, which was shown before the draw. The place of a ticket is the HMAC-SHA256 of"
    " its id (the third part of the ticket, or the customer id of a customer's ticket) with the seed as the key: its"
    " first 13 hexadecimal digits, divided by 16 to the power of 13."
)
MAX_HOURS = 99


def of_queue(view: ProductView) -> Iterator[Figure]:
    """Yield how long a product's queue is, how fast it moves, and its draw; nothing for a product without one."""
    queue = figures.of_product(view.product.pk)
    if queue is None:
        return
    yield Figure("State", state_of(view, queue))
    yield Figure("Tickets", f"{queue.minted:,}")
    yield Figure("Waiting", f"{queue.waiting:,}")
    yield Figure("Served", f"{queue.served:,}")
    if queue.drawn_at is not None:
        yield from _of_pace(queue)
    yield from _of_draw(queue)


def state_of(view: ProductView, queue: QueueFigures) -> str:
    """Say what the queue does now."""
    opens_at = view.product.queue_opens_at
    if not view.product.is_published:
        return "Closed: the product is not published."
    if view.sale_status == SaleStatus.UPCOMING:
        if opens_at is not None and opens_at > view.read_at:
            return f"Not open yet: it opens at {moments.in_words(opens_at)}."
        return "Open: the draw is made when the sale starts."
    return {
        SaleStatus.ENDED: "Over: the sale ended.",
        SaleStatus.PAUSED: "Paused: no ticket is admitted, and each keeps its place.",
        SaleStatus.SOLD_OUT: "Sold out: admission waits for units that come back.",
        SaleStatus.LIVE: f"Serving {_place_in_words(queue.serving)}.",
    }[view.sale_status]


def pace_in_words(queue: QueueFigures) -> str:
    """Say how many tickets are admitted in a second."""
    return f"{_number(queue.tickets_per_second)} tickets a second"


def wait_in_words(queue: QueueFigures) -> str:
    """Say how long the last ticket waits at the present pace."""
    seconds = queue.wait_seconds
    if seconds is None:
        return "not known: no ticket is admitted now"
    minutes, hours = round(seconds / 60), int(seconds / 3600)
    if hours > MAX_HOURS:
        return f"more than {MAX_HOURS} h"
    if minutes < 1:
        return "less than a minute"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _of_pace(queue: QueueFigures) -> Iterator[Figure]:
    buyers = f"{_number(queue.buyers_per_second)} buyers are expected to come ({queue.show_up:.0%} of the tickets)"
    yield Figure("Admitted now", f"{pace_in_words(queue)}; {buyers}")
    if queue.limited_by:
        yield Figure("Limited by", LIMITS[Limit(queue.limited_by)])
    yield Figure("Wait of the last ticket", wait_in_words(queue))


def _of_draw(queue: QueueFigures) -> Iterator[Figure]:
    if queue.seed_hash is None:
        if queue.drawn_at is not None:
            yield Figure("Draw", "None: it was switched on after the start. First come, first served.")
        return
    yield Figure("Hash of the seed", queue.seed_hash)
    if queue.drawn_at is None:
        return
    yield Figure("Drawn", moments.in_words(queue.drawn_at.replace(microsecond=0)))
    yield Figure("Seed", figures.drawn_seed(queue.product_id) or "-")
    yield Figure("How to check a place", HOW_TO_CHECK)


def _place_in_words(serving: float) -> str:
    if serving <= 1:
        return f"{serving:.1%} of the draw"
    return f"tickets that came up to {serving - 1:,.0f} s after the draw"


def _number(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}".removesuffix(".0")

"""What pages say about products: their state, their numbers, and what an action will do."""

from collections.abc import Callable
from datetime import datetime

from catalog.availability import ProductView
from catalog.models import Product, Stock
from catalog.sales import SaleStatus
from flashsale.core import moments
from flashsale.core.wording import units_are

UNPUBLISHED = "unpublished"
# The words for each status, and the colour of its label in the theme.
STATUSES = {
    SaleStatus.UPCOMING: ("Upcoming", "info"),
    SaleStatus.LIVE: ("Live", "success"),
    SaleStatus.PAUSED: ("Paused", "warning"),
    SaleStatus.SOLD_OUT: ("Sold out", "danger"),
    SaleStatus.ENDED: ("Ended", ""),
    UNPUBLISHED: ("Not published", ""),
}
# What pages call the columns of a product.
LABELS = {
    "name": "Name",
    "sku": "SKU",
    "description": "Description",
    "image_url": "Image address",
    "price": "Price",
    "currency": "Currency",
    "max_per_hold": "Most units in one hold",
    "max_per_customer": "Most units for one customer",
    "sale_starts_at": "Sale starts",
    "sale_ends_at": "Sale ends",
    "queue": "Queue",
    "queue_opens_at": "Queue opens",
    "admission_rate_max": "Buyers a second, at most",
}


def status_of(view: ProductView) -> str:
    """Return the key in `STATUSES` of a product's status."""
    return view.sale_status if view.product.is_published else UNPUBLISHED


def label_of(view: ProductView) -> tuple[str, str]:
    """Return the key of a status, which has a colour, and its words."""
    status = status_of(view)
    return status, STATUSES[status][0]


def numbers_of(stock: Stock, *, overdue_units: int) -> str:
    """Say how many units there are: of the total, those available, reserved and sold. Overdue ones are available."""
    overdue = f" ({overdue_units} of them overdue, taken back when needed)" if overdue_units else ""
    return (
        f"{stock.total} in all: {stock.free + overdue_units} available{overdue},"
        f" {stock.reserved - overdue_units} reserved, {stock.sold} sold."
    )


def state_of(view: ProductView) -> str:
    """Say what buyers see now, and the numbers."""
    return f"{_state(view)} {numbers_of(view.stock, overdue_units=view.overdue_units)}"


def _state(view: ProductView) -> str:
    product, ends = view.product, view.product.sale_ends_at
    until = f" until {moments.in_words(ends)}" if ends else ""
    sentences = {
        UNPUBLISHED: "Not published: buyers do not see it.",
        SaleStatus.UPCOMING: f"Upcoming: the sale starts at {_text(product.sale_starts_at)}.",
        SaleStatus.ENDED: f"Ended: the sale ended at {_text(ends)}.",
        SaleStatus.PAUSED: f"Paused since {_text(product.paused_at)}: new holds are refused.",
        SaleStatus.SOLD_OUT: "Sold out: buyers see it and cannot hold any.",
        SaleStatus.LIVE: f"Live: buyers can hold units{until}.",
    }
    paused = product.paused_at and status_of(view) in (UNPUBLISHED, SaleStatus.UPCOMING)
    return sentences[status_of(view)] + (" It is paused: no units can be held before it is resumed." if paused else "")


def _text(moment: datetime | None) -> str:
    return moments.in_words(moment.replace(microsecond=0)) if moment else "-"


def effect_of_publishing(view: ProductView) -> str:
    """Say what publishing a product will do."""
    starts, ends = view.product.sale_starts_at, view.product.sale_ends_at
    if ends and ends <= view.read_at:
        return f"Buyers can see it. They cannot buy it: the sale ended at {moments.in_words(ends)}."
    begins = f"from {moments.in_words(starts)}" if starts and starts > view.read_at else "at once"
    until = f" until {moments.in_words(ends)}" if ends else ""
    paused = " It is paused: holds are refused until it is resumed." if view.product.paused_at else ""
    units = " It has no units yet." if not view.stock.total else ""
    return f"Buyers can see it at once, and buy it {begins}{until}.{paused}{units}"


def effect_of_withdrawing(view: ProductView) -> str:
    """Say what withdrawing a product will do."""
    return f"Not shown to buyers any more; new holds are refused. {_kept(view)}"


def effect_of_pausing(view: ProductView) -> str:
    """Say what pausing a sale will do."""
    return f"New holds are refused until it is resumed; buyers still see the product. {_kept(view)}"


def effect_of_resuming(view: ProductView) -> str:
    """Say what resuming a sale will do."""
    starts, ends = view.product.sale_starts_at, view.product.sale_ends_at
    if not view.product.is_published:
        return "The pause ends. Buyers do not see it: it is not published."
    if ends and ends <= view.read_at:
        return f"The pause ends. New holds stay refused: the sale ended at {moments.in_words(ends)}."
    begins = f"from {moments.in_words(starts)}" if starts and starts > view.read_at else "at once"
    return f"New holds are accepted {begins}; {units_are(view.available_stock)} available."


def _kept(view: ProductView) -> str:
    reserved = view.stock.reserved - view.overdue_units
    return f"Holds and orders that exist are not affected; {units_are(reserved)} reserved."


# What each action that confirms without further input did, and what it will do.
ACTIONS: dict[str, tuple[str, Callable[[ProductView], str]]] = {
    "publish": ("is published", effect_of_publishing),
    "withdraw": ("is no longer published", effect_of_withdrawing),
    "pause": ("is paused", effect_of_pausing),
    "resume": ("is no longer paused", effect_of_resuming),
}


def unit_numbers(view: ProductView) -> str:
    """Return a list's short form of the numbers: available / reserved / sold of total."""
    stock = view.stock
    return f"{view.available_stock} / {stock.reserved - view.overdue_units} / {stock.sold} of {stock.total}"


def window_of(product: Product) -> list[tuple[str]]:
    """Say when the sale starts and ends, in `TIME_ZONE`: one or two lines."""
    starts, ends = product.sale_starts_at, product.sale_ends_at
    lines = [f"from {moments.written(starts)}"] if starts else []
    lines += [f"until {moments.written(ends)}"] if ends else []
    return [(line,) for line in lines or ["at any time"]]

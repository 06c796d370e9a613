"""The story of an order on its page in the admin: what happened to it, its money, and the documents that belong to it.

A higher app registers its part of the story, so that checkout does not import payments.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.html import format_html
from django.utils.safestring import SafeString

from checkout.models import Order
from flashsale.core import clock, moments, money
from flashsale.core.staff.links import link_to
from flashsale.core.staff.staff_log import Entry, entries_about
from flashsale.core.wording import units, units_are


@dataclass(frozen=True)
class Moment:
    """Something that happened at a time: a sentence, which may have links, and the note that was left about it."""

    at: datetime
    what: SafeString | str
    note: str = ""


@dataclass(frozen=True)
class Table:
    """Rows that belong to an order, under a title, with a heading for each column."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[SafeString | str]]


@dataclass(frozen=True)
class Document:
    """A text that belongs to an order, under a title that links to the admin page at `url`."""

    title: str
    url: str
    text: str


@dataclass(frozen=True)
class Part:
    """What an app adds to the story of an order."""

    moments: Sequence[Moment] = ()
    tables: Sequence[Table] = ()
    documents: Sequence[Document] = ()


_registered: list[Callable[[Order], Part]] = []


def register(tell: Callable[[Order], Part]) -> None:
    """Let an app add to the story of every order; called when the app is ready."""
    _registered.append(tell)


def story_of(order: Order) -> Part:
    """Return everything that happened to an order, by time; at equal times, causes before their effects."""
    parts = [_beginning_of(order), *(tell(order) for tell in _registered), _end_of(order)]
    return Part(
        moments=sorted((moment for part in parts for moment in part.moments), key=lambda moment: moment.at),
        tables=[table for part in parts for table in part.tables],
        documents=[document for part in parts for document in part.documents],
    )


def told_by(entries: Iterable[Entry]) -> list[Moment]:
    """Return what members of staff and API tokens did, with their names and what they noted."""
    return [Moment(entry.at, f"{entry.by}: {entry.text}") for entry in entries]


def _beginning_of(order: Order) -> Part:
    price = money.written(order.unit_price, order.currency)
    buyer = f" by {order.customer_id}" if order.customer_id else ""
    placed = format_html(
        "Hold {} placed{}: {} x {} at {}, until {}.",
        link_to(order.hold, str(order.hold_id)), buyer, order.quantity, order.product.name, price,
        moments.written(order.hold.expires_at),
    )  # fmt: skip
    total = money.written(order.total_amount, order.currency)
    until = moments.written(order.payment_due_at)
    ordered = f"Ordered: {total}, to be paid until {until}."
    return Part([Moment(order.hold.created_at, placed), Moment(order.created_at, ordered)])


def _end_of(order: Order) -> Part:
    """Return how the order ended, and what staff did to it and to its hold."""
    ended = []
    if order.closed_at:
        # A paid order that was closed before had expired: cancelled ones stay cancelled.
        verb = "Cancelled" if order.status == Order.Status.CANCELLED else "Expired"
        ended.append(Moment(order.closed_at, f"{verb}: its {units(order.quantity)} went back on sale."))
    if order.paid_at:
        late = " late, after it had expired" if order.closed_at else ""
        ended.append(Moment(order.paid_at, f"Paid{late}: its {units_are(order.quantity)} sold."))
    elif order.status_at(clock.now()) != order.status:
        ended.append(Moment(order.payment_due_at, "Its payment window ended; its units count as available."))
    return Part(ended + told_by(entries_about([order, order.hold])))

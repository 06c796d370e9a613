"""Queues as this process knows them: read from PostgreSQL every second, served on by the clock in between."""

import threading
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings

from catalog.models import Product, Stock
from checkout.waiting_room import places
from checkout.waiting_room.database_clock import database_clock
from checkout.waiting_room.models import Queue, ServedPlace
from checkout.waiting_room.serving import ServingLine
from checkout.waiting_room.tickets import Ticket
from flashsale.core import rows
from flashsale.core.statements import Query, Row, Statement, fetch

# How old a copy may be before a request reads the queue itself; it does so earlier where the queue may have been moved.
MAX_AGE_SECONDS = 1.5

# After an error, one request a second tries to read a queue; the others go on with the last copy.
RETRY_SECONDS = 1.0

# The seed stays in the database until the draw.
_READ = f"""
SELECT product.*, stock.total, stock.reserved, stock.sold, queue.product_id AS queue_id,
    CASE WHEN queue.drawn_at IS NOT NULL THEN queue.seed END AS seed, queue.seed_hash, queue.drawn_at, queue.moved_at,
    queue.serving, queue.rate, queue.turns_at, queue.next_rate,
    COALESCE((
        SELECT served.serving FROM {ServedPlace._meta.db_table} AS served
        WHERE served.product_id = product.id AND served.served_seconds <= queue.served_seconds - %s
        ORDER BY served.served_seconds DESC LIMIT 1
    ), -1) AS expired_below, clock_timestamp() AS read_at
FROM {Product._meta.db_table} AS product
JOIN {Stock._meta.db_table} AS stock ON stock.product_id = product.id
LEFT JOIN {Queue._meta.db_table} AS queue ON queue.product_id = product.id
WHERE product.queue = 'on' AND product.is_published
"""  # noqa: S608  tables' names
_OF_PRODUCT = _READ + "AND product.id = %s"
_IN_PROGRESS = _READ + "AND (product.sale_ends_at IS NULL OR product.sale_ends_at > clock_timestamp())"


@dataclass(frozen=True, kw_only=True)
class QueueView:
    """A product's queue as read at `read_at` (database time).

    `is_made`: there is a row of it. `seed` is None before the draw, and without one; `line` is None before the draw.
    Admission of places below `expired_below` has ended. `free_units` are neither held nor sold.
    """

    product: Product
    free_units: int
    unsold_units: int
    read_at: datetime
    is_made: bool
    seed: str | None
    seed_hash: str | None
    line: ServingLine | None
    expired_below: float

    @property
    def drawn_at(self) -> datetime | None:
        """When the draw was made; None before it."""
        return self.line.drawn_at if self.line else None

    def place_of(self, ticket: Ticket) -> float | None:
        """Return the place of a ticket for this product; None before the draw."""
        return places.place_of(ticket, seed=self.seed, drawn_at=self.drawn_at)

    def is_open_at(self, now: datetime) -> bool:
        """Say whether tickets are minted at `now`."""
        return self.product.queue_opens_at is None or now >= self.product.queue_opens_at

    def is_due_at(self, now: datetime) -> bool:
        """Say whether the queue is to be made, drawn or moved at `now`."""
        if not self.is_made:
            return True
        if self.line is None:
            return self.product.sale_starts_at is not None and now >= self.product.sale_starts_at
        return now >= self.line.turns_at

    def is_current_at(self, now: datetime) -> bool:
        """Say whether the line is the one in force at `now`: no move by another process can be yet."""
        return self.line is None or now <= self.line.valid_until(read_at=self.read_at)

    def serving_at(self, now: datetime) -> float:
        """Return the place that is served at `now`, as far as this copy knows: from then on it stands still."""
        return self.line.at(min(now, self.line.valid_until(read_at=self.read_at))) if self.line else 0.0


class QueueCopies:
    """This process's copies of queues, by product. What it has shown as served never goes back."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._copies: dict[int, tuple[QueueView, float]] = {}
        self._shown: dict[int, float] = {}
        # Monotonic seconds.
        self._retry_at: dict[int, float] = {}

    def reset(self) -> None:
        """Forget all queues."""
        with self._mutex:
            self._copies, self._shown, self._retry_at = {}, {}, {}

    def has(self, product_id: int) -> bool:
        """Say whether the product had a queue when queues were read last."""
        return product_id in self._copies

    def fresh(self, product_id: int, *, now: datetime) -> QueueView | None:
        """Return the copy of a queue, unless it is older than `MAX_AGE_SECONDS` or another line may be in force."""
        copy = self._copies.get(product_id)
        if copy is None or time.monotonic() - copy[1] > MAX_AGE_SECONDS:
            return None
        return copy[0] if copy[0].is_current_at(now) else None

    def last(self, product_id: int) -> QueueView | None:
        """Return the copy of a queue, however old it is."""
        copy = self._copies.get(product_id)
        return copy[0] if copy else None

    def keep(self, view: QueueView, *, asked: float) -> None:
        """Keep a queue that was read by a query sent at `asked` (monotonic seconds)."""
        with self._mutex:
            self._copies[view.product.pk] = self._newer(view, asked)
            self._retry_at.pop(view.product.pk, None)

    def keep_only(self, views: list[QueueView], *, asked: float) -> None:
        """Keep these queues and forget all others."""
        with self._mutex:
            self._retry_at = {}
            self._copies = {view.product.pk: self._newer(view, asked) for view in views}
            self._shown = {product: place for product, place in self._shown.items() if product in self._copies}

    def put_off(self, product_id: int) -> None:
        """Take note that a queue could not be read."""
        with self._mutex:
            self._retry_at[product_id] = time.monotonic() + RETRY_SECONDS

    def may_read(self, product_id: int) -> bool:
        """Say whether a request may read a queue: after an error one may from time to time, until it was read."""
        if product_id not in self._retry_at:
            return True
        with self._mutex:
            now = time.monotonic()
            if self._retry_at.get(product_id, now) > now:
                return False
            self._retry_at[product_id] = now + RETRY_SECONDS
            return True

    def forget(self, product_id: int) -> None:
        """Forget a product's queue: it has none any more."""
        with self._mutex:
            self._copies.pop(product_id, None)

    def serving(self, view: QueueView, *, now: datetime) -> float:
        """Return the place that a queue serves at `now`; never less than before."""
        place = view.serving_at(now)
        with self._mutex:
            self._shown[view.product.pk] = place = max(place, self._shown.get(view.product.pk, 0.0))
        return place

    def _newer(self, view: QueueView, asked: float) -> tuple[QueueView, float]:
        """Return a queue with its age, or the copy of it that was asked for later."""
        copy = self._copies.get(view.product.pk)
        return copy if copy is not None and copy[1] > asked else (view, asked)


copies = QueueCopies()


def read(product_id: int) -> QueueView | None:
    """Read the queue of a published product from PostgreSQL; None where it has none."""
    asked = time.monotonic()
    [views] = fetch(_query(_OF_PRODUCT, [product_id]))
    if not views:
        copies.forget(product_id)
        return None
    [view] = views
    database_clock.follow(view.read_at, asked=asked)
    copies.keep(view, asked=asked)
    return view


def read_in_progress() -> list[QueueView]:
    """Read the queues of all published products whose sale is not over, and keep copies of them alone."""
    asked = time.monotonic()
    [views] = fetch(_query(_IN_PROGRESS, []))
    if views:
        database_clock.follow(views[0].read_at, asked=asked)
    copies.keep_only(views, asked=asked)
    return views


def _query(sql: str, params: list[Any]) -> Query[list[QueueView]]:
    return Query(
        [Statement(sql, [settings.ADMISSION_SECONDS, *params])],
        lambda results: [
            _view(product, row) for product, row in zip(rows.instances(Product, results[0]), results[0], strict=True)
        ],
    )


def _view(product: Product, row: Row) -> QueueView:
    return QueueView(
        product=product,
        free_units=max(0, row["total"] - row["reserved"] - row["sold"]),
        unsold_units=row["total"] - row["sold"],
        read_at=row["read_at"],
        is_made=row["queue_id"] is not None,
        seed=row["seed"],
        seed_hash=row["seed_hash"],
        line=None if row["drawn_at"] is None else ServingLine(**{name: row[name] for name in _LINE}),
        expired_below=row["expired_below"],
    )


_LINE = ("drawn_at", "moved_at", "serving", "rate", "turns_at", "next_rate")

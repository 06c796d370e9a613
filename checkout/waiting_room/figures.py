"""How long queues are, how fast they move, and what limits them, for staff and for metrics.

The seed is read after the draw only.
"""

import json
from dataclasses import dataclass
from datetime import datetime

from catalog.models import Product, Stock
from checkout.waiting_room.models import LateTickets, Queue
from flashsale.core.statements import Query, Row, Statement, fetch

MAX_QUEUES = 50

# A late ticket that was minted in the second n after the draw has a place from 1 + n to 2 + n.
_READ = f"""
SELECT product.id AS product_id, COALESCE(queue.tickets, 0) AS drawn_tickets,
    COALESCE(queue.late_tickets, 0) AS late_tickets, COALESCE(queue.serving, 0) AS serving,
    COALESCE(queue.controller, '{{}}') AS controller, queue.seed_hash, queue.drawn_at,
    stock.total - stock.reserved - stock.sold AS free, product.paused_at, product.admission_rate_max,
    (
        SELECT COALESCE(sum(late.tickets * LEAST(1, GREATEST(
            0, 2 + extract(epoch FROM late.began_at - queue.drawn_at)::float8 - queue.serving
        ))), 0)
        FROM {LateTickets._meta.db_table} AS late WHERE late.product_id = queue.product_id
    ) AS late_waiting,
    GREATEST(0, extract(epoch FROM clock_timestamp()
        - CASE WHEN queue.drawn_at IS NULL THEN product.sale_starts_at ELSE queue.moved_at END))::float8
        AS unmoved_seconds
FROM {Product._meta.db_table} AS product
JOIN {Stock._meta.db_table} AS stock ON stock.product_id = product.id
LEFT JOIN {Queue._meta.db_table} AS queue ON queue.product_id = product.id
WHERE product.queue = 'on'
"""  # noqa: S608  tables' names
_OF_PRODUCT = _READ + "AND product.id = %s"
_IN_PROGRESS = (
    _READ
    + """
    AND product.is_published AND (product.sale_ends_at IS NULL OR product.sale_ends_at > clock_timestamp())
ORDER BY queue.moved_at DESC NULLS LAST, product.id DESC LIMIT %s
"""
)


@dataclass(frozen=True, kw_only=True)
class QueueFigures:
    """A queue as of its last move. What processes counted and did not store yet is not in it: a second's tickets.

    `minted` tickets stand in it or stood in it, and `waiting` of them are not served yet. Paces are in a second, and 0
    before the first move; `show_up` is the share of admitted tickets that come, and `limited_by` a value of
    `rate.Limit`, "" before the first move. `free_units` can be held now, overdue ones left out. `unmoved_seconds`: for
    how long a queue whose sale has begun was not moved.
    """

    product_id: int
    minted: int
    waiting: int
    serving: float
    tickets_per_second: float
    buyers_per_second: float
    show_up: float
    limited_by: str
    free_units: int
    is_paused: bool
    rate_max: int | None
    unmoved_seconds: float
    drawn_at: datetime | None
    seed_hash: str | None

    @property
    def served(self) -> int:
        """How many tickets were admitted so far, those whose holders never came included."""
        return self.minted - self.waiting

    @property
    def wait_seconds(self) -> float | None:
        """How long the last ticket waits at the present pace; None while none is admitted."""
        if not self.waiting:
            return 0.0
        return self.waiting / self.tickets_per_second if self.tickets_per_second > 0 else None


def of_product(product_id: int) -> QueueFigures | None:
    """Return the figures of a product's queue, also of one that is not published; None where it has none."""
    return next(iter(_fetch(Statement(_OF_PRODUCT, [product_id]))), None)


def in_progress() -> list[QueueFigures]:
    """Return the figures of the queues whose sale is not over, the newest moved first, at most `MAX_QUEUES`."""
    return _fetch(Statement(_IN_PROGRESS, [MAX_QUEUES]))


def drawn_seed(product_id: int) -> str | None:
    """Return the seed with which a product's queue was drawn; None before the draw, and without one."""
    drawn = Queue.objects.filter(pk=product_id, drawn_at__isnull=False)
    return drawn.values_list("seed", flat=True).first()


def _fetch(statement: Statement) -> list[QueueFigures]:
    [figures] = fetch(Query([statement], lambda results: [_figures(row) for row in results[0]]))
    return figures


def _figures(row: Row) -> QueueFigures:
    # Connections of Django read jsonb as text.
    controller = json.loads(row["controller"])
    drawn_waiting = row["drawn_tickets"] * max(0.0, 1.0 - row["serving"])
    return QueueFigures(
        product_id=row["product_id"],
        minted=row["drawn_tickets"] + row["late_tickets"],
        waiting=round(drawn_waiting + row["late_waiting"]),
        serving=row["serving"],
        tickets_per_second=controller.get("tickets_per_second", 0.0),
        buyers_per_second=controller.get("buyers_per_second", 0.0),
        show_up=controller.get("show_up", 1.0),
        limited_by=controller.get("limited_by", ""),
        free_units=max(0, row["free"]),
        is_paused=row["paused_at"] is not None,
        rate_max=row["admission_rate_max"],
        unmoved_seconds=row["unmoved_seconds"],
        drawn_at=row["drawn_at"],
        seed_hash=row["seed_hash"],
    )

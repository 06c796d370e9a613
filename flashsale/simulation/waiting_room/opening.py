"""When the queue of a simulated sale opens, and how long shoppers have to join before the sale starts."""

from datetime import timedelta
from typing import Any

from catalog.models import Product
from catalog.queue_columns import SHORTEST_OPENING, Queue
from flashsale.core import clock

# Joins take their time where the crowd shares the server's processors.
SHORTEST_LEAD_SECONDS = 10.0
JOINS_PER_SECOND = 125


def lead_seconds(shoppers: int) -> float:
    """Return how long after the opening a sale starts, so that this many shoppers can join before it."""
    return max(SHORTEST_LEAD_SECONDS, shoppers / JOINS_PER_SECOND)


def columns(*, shoppers: int, rate: int) -> dict[str, Any]:
    """Return the columns of a product whose queue is open, and whose sale starts soon; asks the database's clock."""
    starts_at = clock.now() + timedelta(seconds=lead_seconds(shoppers))
    return {
        "queue": Queue.ON,
        "queue_opens_at": starts_at - SHORTEST_OPENING,
        "sale_starts_at": starts_at,
        "admission_rate_max": rate,
    }


def starts_in_seconds(product: Product) -> float:
    """Return in how many seconds the sale of a product with a queue starts; asks the database's clock."""
    if product.sale_starts_at is None:
        raise ValueError("a product with a queue has a start")
    return (product.sale_starts_at - clock.now()).total_seconds()

"""Gauges of the queues in progress: how many wait, how fast they are admitted, and what limits that."""

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric

from checkout.waiting_room import figures
from checkout.waiting_room.figures import QueueFigures
from checkout.waiting_room.rate import Limit


def gauges() -> list[Metric]:
    """Return the gauges of at most `figures.MAX_QUEUES` queues. Those of the pace are missing before the draw."""
    families = _families()
    for queue in figures.in_progress():
        product = str(queue.product_id)
        for (name, *labels), number in _samples(queue):
            families[name].add_metric([product, *labels], number)
    return list(families.values())


def _families() -> dict[str, GaugeMetricFamily]:
    described = {
        "tickets": ("Tickets of a queue that were minted, and those that wait to be admitted", "state"),
        "serving": ("The place that is served: 0 to 1 in the draw, then seconds after it, and 1", ""),
        "pace": ("Tickets that are admitted in a second, and buyers who are expected to come", "of"),
        "show_up": ("The share of admitted tickets whose holders come", ""),
        "limit": ("1 for what limits the pace", "by"),
        "wait_seconds": ("How long the last ticket waits at this pace; missing while none is admitted", ""),
        "free_units": ("Units that can be held now", ""),
        "unmoved_seconds": ("How long a queue whose sale has begun was not moved", ""),
    }
    return {
        name: GaugeMetricFamily(f"flashsale_waiting_room_{name}", text, labels=["product", *filter(None, [label])])
        for name, (text, label) in described.items()
    }


def _samples(queue: QueueFigures) -> Iterator[tuple[tuple[str, ...], float]]:
    """Yield the samples of one queue: the name of the gauge with its labels besides the product, and the number."""
    yield ("tickets", "minted"), queue.minted
    yield ("tickets", "waiting"), queue.waiting
    yield ("free_units",), queue.free_units
    yield ("unmoved_seconds",), queue.unmoved_seconds
    if queue.drawn_at is None:
        return
    yield ("serving",), queue.serving
    yield ("pace", "tickets"), queue.tickets_per_second
    yield ("pace", "buyers"), queue.buyers_per_second
    yield ("show_up",), queue.show_up
    for limit in Limit:
        yield ("limit", str(limit)), float(limit == queue.limited_by)
    if (seconds := queue.wait_seconds) is not None:
        yield ("wait_seconds",), seconds

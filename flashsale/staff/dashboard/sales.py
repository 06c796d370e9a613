"""What is on sale, and the next sale."""

from typing import Any

from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.urls import reverse

from catalog import availability
from catalog.availability import ProductView
from catalog.models import Product
from checkout import queue_figures
from checkout.waiting_room.figures import QueueFigures

SALES_SHOWN = 12
STATUSES = {"paused": "Paused", "sold_out": "Sold out"}


def on_sale(taken: dict[int, list[str]], queues: dict[int, QueueFigures]) -> list[dict[str, Any]]:
    """Return the sales that are running, the busiest first; `taken` are today's amounts by product."""
    views = availability.read(_running()[:SALES_SHOWN])
    return [
        _stock_bar(view) | {"taken": taken.get(view.product.pk, []), "queue": _queue(queues.get(view.product.pk))}
        for view in views
    ]


def count_more() -> int:
    """Return how many running sales `on_sale` leaves out."""
    return max(0, _running().count() - SALES_SHOWN)


def next_one(queues: dict[int, QueueFigures]) -> dict[str, Any] | None:
    """Return the sale that begins next; None when none is planned."""
    upcoming = Product.objects.published().filter(sale_starts_at__gt=Now())
    product = upcoming.order_by("sale_starts_at", "pk").first()
    if product is None:
        return None
    return {
        "name": product.name,
        "url": reverse("admin:catalog_product_change", args=[product.pk]),
        "starts_at": product.sale_starts_at,
        "starts_ms": int(1000 * product.sale_starts_at.timestamp()),
        "is_paused": product.paused_at is not None,
        "waiting": f"{queues[product.pk].waiting:,}" if product.pk in queues else "",
    }


def _running() -> QuerySet[Product]:
    has_begun = Q(sale_starts_at=None) | Q(sale_starts_at__lte=Now())
    has_not_ended = Q(sale_ends_at=None) | Q(sale_ends_at__gt=Now())
    running = Product.objects.published().filter(has_begun, has_not_ended)
    # The busiest first: each write of the counters increases the version.
    return running.order_by("-stock__version", "-pk")


def _queue(queue: QueueFigures | None) -> list[str]:
    """Return what is told of a product's queue, in words; nothing of a product without one."""
    if queue is None:
        return []
    pace, wait = queue_figures.pace_in_words(queue), queue_figures.wait_in_words(queue)
    return [f"{queue.waiting:,} waiting", pace, f"wait of the last: {wait}"]


def _stock_bar(view: ProductView) -> dict[str, Any]:
    """Return the three parts of a product's stock, in units and in percent of the total, and its button."""
    product, stock, total = view.product, view.stock, max(1, view.stock.total)
    units = {"sold": stock.sold, "reserved": stock.total - stock.sold - view.available_stock}
    units["available"] = view.available_stock
    is_paused = product.paused_at is not None
    return {
        "pk": product.pk,
        "name": product.name,
        "url": reverse("admin:catalog_product_change", args=[product.pk]),
        "act": "Resume" if is_paused else "Pause",
        "act_url": reverse("admin:catalog_product_act", args=[product.pk, "resume" if is_paused else "pause"]),
        "status": STATUSES.get(view.sale_status, ""),
        "ends_at": product.sale_ends_at,
        "total": stock.total,
        "parts": [{"name": name, "units": n, "percent": round(100 * n / total, 2)} for name, n in units.items()],
    }

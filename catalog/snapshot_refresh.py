"""Rebuilds snapshots from PostgreSQL, rendered by the API's serializers: domain modules must not import it."""

import time
from typing import Any

from catalog import availability, snapshots
from catalog.models import Product
from catalog.serializers import ProductOut

BATCH_ROWS = 100


def refresh_product(product_id: int) -> dict[str, Any] | None:
    """Store and return a fresh answer for one published product; None when there is no such product."""
    read_started = time.monotonic()
    forecasts = availability.read_forecasts(Product.objects.published().filter(pk=product_id))
    if not forecasts:
        return None
    answer = ProductOut.data_of(forecasts[0].view)
    snapshots.store(forecasts[0], answer, read_started=read_started)
    return answer


def refresh_availability() -> int:
    """Store a fresh answer for every published product; return how many there are.

    Raises `RedisUnavailable` when Redis does not answer, also when there is no product to store.
    """
    if not snapshots.is_reachable():
        raise snapshots.RedisUnavailable
    refreshed = 0
    last_id = 0
    while True:
        read_started = time.monotonic()
        products = Product.objects.published().filter(pk__gt=last_id).order_by("pk")[:BATCH_ROWS]
        forecasts = availability.read_forecasts(products)
        if not forecasts:
            return refreshed
        for forecast in forecasts:
            if not snapshots.store(forecast, ProductOut.data_of(forecast.view), read_started=read_started):
                raise snapshots.RedisUnavailable
        refreshed += len(forecasts)
        last_id = forecasts[-1].view.product.pk

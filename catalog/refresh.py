"""Rebuilds the kept product answers from PostgreSQL."""

import time

from catalog import availability
from catalog.models import Product
from catalog.serializers import ProductOut

BATCH_ROWS = 100


def refresh_availability() -> int:
    """Keep a fresh answer for every published product; returns how many there are."""
    refreshed = 0
    last_id = 0
    while True:
        read_since = time.monotonic()
        products = list(
            Product.objects.published()
            .with_availability()
            .with_outlook()
            .filter(pk__gt=last_id)
            .order_by("pk")[:BATCH_ROWS]
        )
        if not products:
            return refreshed
        for product in products:
            availability.keep(product, ProductOut(product).data, read_since=read_since)
        refreshed += len(products)
        last_id = products[-1].pk

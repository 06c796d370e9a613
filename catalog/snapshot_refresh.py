"""Rebuilds the kept product answers from PostgreSQL."""

import time
from typing import Any

from django.db.models import QuerySet

from catalog import snapshots
from catalog.models import Product
from catalog.serializers import ProductOut

BATCH_ROWS = 100


def refresh_product(product_id: int) -> dict[str, Any] | None:
    """Keep and return a fresh answer for one published product; None when there is no such product."""
    read_since = time.monotonic()
    product = _products().filter(pk=product_id).first()
    if product is None:
        return None
    answer = ProductOut.data_of(product)
    snapshots.store(product, answer, read_since=read_since)
    return answer


def refresh_availability() -> int:
    """Keep a fresh answer for every published product; returns how many there are.

    Raises `availability.StoreSilent` when Redis does not answer, also when there is nothing to keep.
    """
    if not snapshots.is_reachable():
        raise snapshots.StoreSilent
    refreshed = 0
    last_id = 0
    while True:
        read_since = time.monotonic()
        products = list(_products().filter(pk__gt=last_id).order_by("pk")[:BATCH_ROWS])
        if not products:
            return refreshed
        for product in products:
            if not snapshots.store(product, ProductOut.data_of(product), read_since=read_since):
                raise snapshots.StoreSilent
        refreshed += len(products)
        last_id = products[-1].pk


def _products() -> QuerySet[Product]:
    return Product.objects.published().with_availability().with_expiring_units()

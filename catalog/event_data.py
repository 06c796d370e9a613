"""What events tell of a product: what its GET answers, without its description."""

from typing import Any

from catalog import availability, product_events
from catalog.availability import ProductView
from catalog.models import Product, Stock
from catalog.serializers import ProductInEvent
from flashsale.outbox.resources import Resource, Snapshot


def _data_of(snapshot: Snapshot) -> dict[str, Any]:
    product, stock = snapshot.instance(Product), snapshot.instance(Stock)
    overdue_units, read_at = snapshot.columns["overdue_units"], snapshot.moment("read_at")
    return ProductInEvent.data_of(ProductView(product, stock, overdue_units, read_at))


PRODUCTS = Resource(
    product_events.RESOURCE,
    rows=lambda: availability.annotate(Product.objects.defer("description")),
    data_of=_data_of,
)

"""Events of products for the shop's back end, recorded under the lock of the product's row.

Their `data` is what the product's GET answers, without `description`, and besides:

- `product.changed`: `changed`, the names of the members that an edit changed.
- `stock.adjusted`: `delta`, the units that were added (negative: taken away), `reason`, and the total in units before
  and after as `total_before` and `total_after`.

A product that is published as it is added makes `product.published`; its opening stock is `total_stock` there and no
adjustment. One that is added unpublished makes no event of that. `product.sold_out` and `product.back_in_stock` follow
the counters: see `stock_announcements`.
"""

from collections.abc import Collection, Sequence

from catalog.models import Product, StockAdjustment
from flashsale.outbox import recording
from flashsale.outbox.kinds import EventType

# How events call a product.
RESOURCE = "product"
# Rows per INSERT, so that no statement takes long.
BATCH_ROWS = 500


def lock(product_id: int) -> Product | None:
    """Lock a product until the transaction ends, before its stock; return it, or None where there is none."""
    return Product.objects.select_for_update(no_key=True, of=("self",)).filter(pk=product_id).first()


def record(event_type: EventType, product: Product) -> None:
    """Record an event of a locked or new product, as it is when the transaction commits."""
    recording.record(event_type, RESOURCE, [product.pk])


def record_published(products: Sequence[Product]) -> None:
    """Record that these new products, which have their stock, are published."""
    ids = [product.pk for product in products]
    for first in range(0, len(ids), BATCH_ROWS):
        recording.record(EventType.PRODUCT_PUBLISHED, RESOURCE, ids[first : first + BATCH_ROWS])


def record_changed(product: Product, columns: Collection[str]) -> None:
    """Record that an edit has changed these columns of a locked product."""
    recording.record(EventType.PRODUCT_CHANGED, RESOURCE, [product.pk], changed=sorted(columns))


def record_adjustment(adjustment: StockAdjustment) -> None:
    """Record a change of a total whose product is locked; the counters have it already."""
    recording.record(
        EventType.STOCK_ADJUSTED, RESOURCE, [adjustment.product_id],
        delta=adjustment.delta, reason=adjustment.reason,
        total_before=adjustment.total_before, total_after=adjustment.total_after,
    )  # fmt: skip

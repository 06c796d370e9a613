"""How long a sale took to sell out."""

from datetime import timedelta

from django.db.models import Min

from catalog.availability import ProductView
from checkout.models import Hold


def time_to_sell_out(view: ProductView) -> timedelta | None:
    """Return the time from the start of the sale, or from its first hold, to the newest hold, which took the last unit.

    None while units are available, and without any holds.
    """
    placed = Hold.objects.filter(product=view.product)
    newest = placed.order_by("-created_at").values_list("created_at", flat=True).first() if view.is_sold_out else None
    if newest is None:
        return None
    first = placed.aggregate(at=Min("created_at"))["at"]
    start = view.product.sale_starts_at
    return newest - (start if start and start <= first else first)

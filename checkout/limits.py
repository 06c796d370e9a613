"""The limit per customer: how many units of one product one customer may have."""

from collections import Counter
from collections.abc import Collection
from datetime import datetime

from django.db.models import Sum

from catalog.models import Product
from catalog.sales import LimitExceeded
from checkout.models import Hold, Order


def units_of(product_id: int, *, customer_ids: Collection[str], now: datetime) -> Counter[str]:
    """Return the units each customer has: active holds before their deadline, pending and paid orders.

    Runs inside a transaction that holds the stock's lock, in one statement, so that a hold which becomes an order at
    the same moment is counted exactly once.
    """
    holds = Hold.objects.filter(
        product_id=product_id, customer_id__in=customer_ids, status=Hold.Status.ACTIVE, expires_at__gt=now
    )
    pending = Order.objects.filter(
        product_id=product_id,
        customer_id__in=customer_ids,
        status=Order.Status.PENDING_PAYMENT,
        payment_due_at__gt=now,
    )
    paid = Order.objects.filter(product_id=product_id, customer_id__in=customer_ids, status=Order.Status.PAID)
    sums = [
        rows.order_by().values_list("customer_id").annotate(units=Sum("quantity")) for rows in (holds, pending, paid)
    ]
    units: Counter[str] = Counter()
    for customer_id, quantity in sums[0].union(*sums[1:], all=True):
        units[customer_id] += quantity
    return units


def check(product: Product, *, customer_id: str, quantity: int, has: int) -> None:
    """Raise `LimitExceeded` when a customer who has `has` units may not have `quantity` more."""
    limit = product.max_per_customer
    if limit is not None and customer_id and has + quantity > limit:
        raise LimitExceeded(f"At most {limit} units per customer.", limit=limit)

"""The limit per customer: how many units of one product one customer may have."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import F, Q, QuerySet, Sum, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce

from catalog.models import Product
from catalog.sales import LimitExceeded
from checkout.models import Hold, Order


@dataclass(frozen=True)
class CustomerUnits:
    """Units by customer: of active holds, pending and paid orders; `overdue` are those of them past their deadline.

    Units of a paid order that were put back on sale do not count.

    Overdue units count until they are reclaimed: a concurrent transaction that read the clock before the deadline may
    still be turning them into an order, or into a paid one. Reclaiming waits for its row locks.
    """

    units: Counter[str] = field(default_factory=Counter)
    overdue: Counter[str] = field(default_factory=Counter)


def units_of(product_id: int, *, customer_ids: Collection[str], now: datetime) -> CustomerUnits:
    """Return the units of each of these customers.

    Runs inside a transaction that holds the stock's lock, in one statement, so that a hold which becomes an order at
    the same moment is counted exactly once.
    """
    own = Q(product_id=product_id, customer_id__in=customer_ids)
    holds = Hold.objects.filter(own, status=Hold.Status.ACTIVE)
    pending = Order.objects.filter(own, status=Order.Status.PENDING_PAYMENT)
    paid = Order.objects.filter(own, status=Order.Status.PAID)
    sums = [
        _sums(holds, overdue=Q(expires_at__lte=now)),
        _sums(pending, overdue=Q(payment_due_at__lte=now)),
        _sums(paid, overdue=Q(pk__in=[]), units=F("quantity") - F("restocked_units")),
    ]
    claimed = CustomerUnits()
    for customer_id, quantity, overdue in sums[0].union(*sums[1:], all=True):
        claimed.units[customer_id] += quantity
        claimed.overdue[customer_id] += overdue
    return claimed


def check(product: Product, claimed: CustomerUnits, *, customer_id: str, quantity: int) -> None:
    """Raise `LimitExceeded` when a customer may not have `quantity` units more."""
    limit, current = product.max_per_customer, claimed.units[customer_id]
    if limit is not None and customer_id and current + quantity > limit:
        refusal = LimitExceeded(f"At most {limit} units per customer.", limit=limit)
        refusal.may_pass_after_reclaim = current - claimed.overdue[customer_id] + quantity <= limit
        raise refusal


def _sums(
    rows: QuerySet[Hold] | QuerySet[Order], *, overdue: Q, units: Combinable | str = "quantity"
) -> QuerySet[Any, tuple[str, int, int]]:
    overdue_units = Coalesce(Sum(units, filter=overdue), Value(0))
    return rows.order_by().values_list("customer_id").annotate(units=Sum(units), overdue=overdue_units)

"""Which orders a list shows. Each queryset reads its newest orders by an index of its own."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from checkout.models import Order, ProvedPaymentId

# The columns that a filter compares, and how.
_COMPARISONS = {
    "product_id": "product_id",
    "customer_id": "customer_id",
    "refund": "refund",
    "created_from": "created_at__gte",
    "created_to": "created_at__lt",
}


def find(*, now: datetime, status: str = "", payment_id: str = "", **filters: Any) -> list[QuerySet[Order]]:
    """Return querysets that have no order in common and together have those that match.

    `status` is the one that answers show at `now`: overdue orders are expired. `payment_id` is any that is proved for
    the order, or the one that it shows. `filters` are `product_id`, `customer_id`, `refund`, `created_from` (inclusive)
    and `created_to` (exclusive).
    """
    matching = Order.objects.filter(**{_COMPARISONS[name]: value for name, value in filters.items()})
    if payment_id:
        matching = matching.filter(Q(payment_id=payment_id) | Q(pk__in=_orders_of(payment_id)))
    branches = _BY_STATUS.get(status)
    return branches(matching, now) if branches else [matching]


def _orders_of(payment_id: str) -> list[UUID]:
    return list(ProvedPaymentId.objects.filter(pk=payment_id).values_list("order_id", flat=True))


def _pending(orders: QuerySet[Order], now: datetime) -> list[QuerySet[Order]]:
    return [orders.filter(status=Order.Status.PENDING_PAYMENT, payment_due_at__gt=now)]


def _expired(orders: QuerySet[Order], now: datetime) -> list[QuerySet[Order]]:
    overdue = orders.filter(status=Order.Status.PENDING_PAYMENT, payment_due_at__lte=now)
    return [orders.filter(status=Order.Status.EXPIRED), overdue]


_BY_STATUS: dict[str, Callable[[QuerySet[Order], datetime], list[QuerySet[Order]]]] = {
    Order.Status.PENDING_PAYMENT: _pending,
    Order.Status.EXPIRED: _expired,
    Order.Status.PAID: lambda orders, _: [orders.filter(status=Order.Status.PAID)],
    Order.Status.CANCELLED: lambda orders, _: [orders.filter(status=Order.Status.CANCELLED)],
}

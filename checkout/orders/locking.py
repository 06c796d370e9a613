"""Row locks on orders, taken before those on holds and on stock."""

from collections.abc import Iterable
from uuid import UUID

from django.db.models import QuerySet

from catalog import inventory
from checkout.models import Order
from checkout.orders.refusals import NO_SUCH_ORDER
from flashsale.core.refusals import NotFound


def lock(order_id: UUID) -> Order:
    """Lock and return an order until the transaction ends; raises `NotFound`."""
    order = _locked().filter(pk=order_id).first()
    if order is None:
        raise NotFound(NO_SUCH_ORDER)
    return order


def lock_all(order_ids: Iterable[UUID]) -> dict[UUID, Order]:
    """Lock and return those of these orders that exist, in ascending id, until the transaction ends."""
    return {order.pk: order for order in _locked().filter(pk__in=list(order_ids)).order_by("pk")}


def lock_stocks(order_ids: Iterable[UUID]) -> None:
    """Lock the stock of these orders' products, in ascending id, until the transaction ends."""
    rows = Order.objects.filter(pk__in=list(order_ids))
    inventory.lock_all(rows.values_list("product_id", flat=True))


def _locked() -> QuerySet[Order]:
    return Order.objects.select_for_update(no_key=True, of=("self",))

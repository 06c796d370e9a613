"""Row locks on orders, taken before those on holds and on stock."""

from collections.abc import Iterable
from uuid import UUID

from catalog import inventory
from checkout.models import Order
from checkout.orders.refusals import NO_SUCH_ORDER
from flashsale.core import rows
from flashsale.core.refusals import NotFound
from flashsale.core.statements import Query, array, fetch


def lock(order_id: UUID) -> Order:
    """Lock and return an order until the transaction ends; raises `NotFound`."""
    [locked] = fetch(locking_query([order_id]))
    order = locked.get(order_id)
    if order is None:
        raise NotFound(NO_SUCH_ORDER)
    return order


def locking_query(order_ids: Iterable[UUID]) -> Query[dict[UUID, Order]]:
    """Lock and return those of these orders that exist, in ascending id, until the transaction ends."""
    return rows.locking_query(Order, "id = ANY(%s::uuid[])", [array(order_ids)])


def lock_stocks(order_ids: Iterable[UUID]) -> None:
    """Lock the stock of these orders' products, in ascending id, until the transaction ends."""
    orders = Order.objects.filter(pk__in=list(order_ids))
    inventory.lock_all(orders.values_list("product_id", flat=True))

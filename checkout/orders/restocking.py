"""Units of paid orders go back on sale. Decides; `transitions` writes."""

from catalog import inventory
from checkout.models import Order
from checkout.orders import transitions
from checkout.orders.refusals import OrderNotPaid, RestockTooLarge
from flashsale.core import clock, events


def restock(order: Order, *, units: int) -> None:
    """Put `units` (0 or more) of a paid order, locked by this transaction, back on sale when the transaction commits.

    The order stays paid. Raises `OrderNotPaid`, and `RestockTooLarge` for more units than it still has.
    """
    if order.status != Order.Status.PAID:
        raise OrderNotPaid(f"The order is {order.status_at(clock.now()).label.lower()}.")
    restocked = order.restocked_units + units
    if restocked > order.quantity:
        raise RestockTooLarge(quantity=order.quantity, restocked=order.restocked_units)
    if units:
        transitions.set_restocked(order, units=restocked)
        inventory.restock(order.product_id, units=units)
        events.record_on_commit("units_restocked", order_id=order.pk, product_id=order.product_id, units=units)

"""What events tell of an order: what its GET answers."""

from typing import Any

from checkout.models import Order
from checkout.orders import reading
from checkout.orders.reading import OrderView
from checkout.orders.transitions import RESOURCE
from checkout.serializers import OrderOut
from flashsale.outbox.resources import Resource, Snapshot


def _data_of(snapshot: Snapshot) -> dict[str, Any]:
    order, payment = snapshot.instance(Order), reading.payment_of(snapshot.columns["payment"])
    return OrderOut.data_of(OrderView(order=order, read_at=snapshot.moment("read_at"), payment=payment))


ORDERS = Resource(RESOURCE, rows=lambda: reading.annotate(Order.objects.all()), data_of=_data_of)

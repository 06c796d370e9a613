"""Orders as answers show them."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, TypedDict
from uuid import UUID

from django.db.models import QuerySet
from django.db.models.functions import Now

from checkout.models import Order
from checkout.orders.refusals import NO_SUCH_ORDER
from flashsale.core import greenlets
from flashsale.core.refusals import NotFound

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations

    class _Annotations(TypedDict):
        read_at: datetime

    AnnotatedOrder = WithAnnotations[Order, _Annotations]


@dataclass(frozen=True, kw_only=True)
class OrderView:
    """An order at database time `read_at`.

    `is_replayed`: an earlier request with the same Idempotency-Key placed it.
    """

    order: Order
    read_at: datetime
    is_replayed: bool = False

    @property
    def status(self) -> Order.Status:
        """The status at `read_at`."""
        return self.order.status_at(self.read_at)


@greenlets.offloaded
def get(order_id: UUID) -> OrderView:
    """Return an order as it is now; raises `NotFound`."""
    order = _annotated(Order.objects.filter(pk=order_id)).first()
    if order is None:
        raise NotFound(NO_SUCH_ORDER)
    return OrderView(order=order, read_at=order.read_at)


def replayed(order: Order, read_at: datetime) -> OrderView:
    """Return an order that an equal request placed earlier."""
    return OrderView(order=order, read_at=read_at, is_replayed=True)


def _annotated(orders: QuerySet[Order]) -> "QuerySet[AnnotatedOrder]":
    return orders.annotate(read_at=Now())

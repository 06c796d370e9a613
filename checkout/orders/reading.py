"""Orders as answers show them.

Checkout does not import payments, which registers here the expression that reads what is shown of an order's payment.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, TypedDict, cast
from uuid import UUID

from django.db.models import JSONField, QuerySet, Subquery, Value
from django.db.models.functions import Now

from checkout.models import Order
from checkout.orders.refusals import NO_SUCH_ORDER
from flashsale.core import greenlets
from flashsale.core.refusals import NotFound

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations

    class _Annotations(TypedDict):
        read_at: datetime
        payment: dict[str, str] | None

    AnnotatedOrder = WithAnnotations[Order, _Annotations]


@dataclass(frozen=True, kw_only=True)
class PaymentView:
    """What answers show of the payment that the shop made for an order."""

    provider: str
    kind: str
    status: str
    pay_until: datetime


@dataclass(frozen=True, kw_only=True)
class OrderView:
    """An order at database time `read_at`, with its last payment where the shop made one.

    `is_replayed`: an earlier request with the same Idempotency-Key placed it.
    """

    order: Order
    read_at: datetime
    payment: PaymentView | None = None
    is_replayed: bool = False

    @property
    def status(self) -> Order.Status:
        """The status at `read_at`."""
        return self.order.status_at(self.read_at)


@greenlets.offloaded
def get(order_id: UUID) -> OrderView:
    """Return an order as it is now; raises `NotFound`."""
    order = annotate(Order.objects.filter(pk=order_id)).first()
    if order is None:
        raise NotFound(NO_SUCH_ORDER)
    return view_of(order)


# Returns the expression of an order's payment, as JSON with the members of `PaymentView`; None without one.
PaymentExpression = Callable[[], Subquery]


@dataclass
class _Registration:
    expression: PaymentExpression | None = None


_registration = _Registration()


def register_payment(expression: PaymentExpression) -> None:
    """Show in answers what `expression` reads of an order's payment."""
    _registration.expression = expression


def replayed(order: Order, read_at: datetime) -> OrderView:
    """Return an order that an equal request placed earlier, as it was read with `annotate` at `read_at`."""
    payment = payment_of(cast("AnnotatedOrder", order).payment)
    return OrderView(order=order, read_at=read_at, payment=payment, is_replayed=True)


def annotate(orders: QuerySet[Order]) -> "QuerySet[AnnotatedOrder]":
    """Return the query that reads with each order what its answer shows besides."""
    expression = _registration.expression
    payment = expression() if expression else Value(None, output_field=JSONField())
    return orders.annotate(read_at=Now(), payment=payment)


def view_of(order: "AnnotatedOrder") -> OrderView:
    """Return an order that was read with `annotate`, as answers show it."""
    return OrderView(order=order, read_at=order.read_at, payment=payment_of(order.payment))


def payment_of(members: dict[str, str] | None) -> PaymentView | None:
    """Return the payment that `annotate` read with an order."""
    if members is None:
        return None
    pay_until = datetime.fromisoformat(members["pay_until"])
    return PaymentView(**members | {"pay_until": pay_until})  # type: ignore[arg-type]  # the others are texts

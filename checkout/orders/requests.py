"""Requests for orders, and the orders that they become. Writes nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from django.conf import settings

from checkout.idempotency import IdempotencyKey
from checkout.models import Hold, Order
from flashsale.core import events


@dataclass(frozen=True, kw_only=True)
class OrderRequest:
    """A hold that becomes an order with this id; `request_id` names the HTTP request in the log.

    A payment id is a claim of the buyer, unless the caller has the right to prove it. `metadata` is stored as it is.
    """

    hold_id: UUID
    payment_id: str | None = None
    is_payment_id_proved: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict, hash=False)
    key: IdempotencyKey | None = None
    order_id: UUID = field(default_factory=uuid4)
    request_id: str = field(default_factory=events.request_id)

    @property
    def proved_payment_id(self) -> str | None:
        """The payment id, unless it is a claim."""
        return self.payment_id if self.is_payment_id_proved else None

    @property
    def references(self) -> tuple[UUID, UUID, str | None]:
        """The ids by which an event may name the order: its own, its hold's, its payment's."""
        return self.order_id, self.hold_id, self.payment_id

    def conflicts_with(self, other: "OrderRequest") -> bool:
        """Say whether both name the same hold, payment id or Idempotency-Key: one must see the other's order."""
        same_payment = self.payment_id is not None and self.payment_id == other.payment_id
        same_key = self.key is not None and other.key is not None and self.key.name == other.key.name
        return self.hold_id == other.hold_id or same_payment or same_key


def new_order(request: OrderRequest, hold: Hold, *, now: datetime) -> Order:
    """Return the order that a request makes of its hold at `now`, not stored yet."""
    return Order(
        pk=request.order_id,
        hold=hold,
        product_id=hold.product_id,
        quantity=hold.quantity,
        unit_price=hold.unit_price,
        total_amount=hold.unit_price * hold.quantity,
        currency=hold.currency,
        customer_id=hold.customer_id,
        payment_id=request.payment_id,
        metadata=dict(request.metadata),
        created_at=now,
        payment_due_at=now + timedelta(seconds=settings.ORDER_PAYMENT_SECONDS),
        **(request.key.columns if request.key else {}),
    )

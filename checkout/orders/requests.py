"""Requests for orders: what each would get, and what waits for it. Writes nothing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from django.conf import settings

from checkout import holds
from checkout.idempotency import IdempotencyKey
from checkout.models import Hold, Order
from checkout.proved_payments import Proof
from flashsale.core import events
from flashsale.core.refusals import Refusal


class PaymentIdInUse(Refusal):
    code = "payment_id_in_use"
    title = "Another order has this payment id"


@dataclass(frozen=True, kw_only=True)
class OrderRequest:
    """What an order is to be made of, its id when it is, and the request that wants it (for the log).

    A payment id that is not proved by the caller's right to say so is the buyer's claim.
    """

    hold_id: UUID
    payment_id: str | None = None
    is_payment_id_proved: bool = False
    once: IdempotencyKey | None = None
    order_id: UUID = field(default_factory=uuid4)
    request_id: str = field(default_factory=events.request_id)

    @property
    def proved_payment_id(self) -> str | None:
        """The payment id, where it is more than a claim."""
        return self.payment_id if self.is_payment_id_proved else None

    @property
    def names(self) -> tuple[UUID, UUID, str | None]:
        """What the order may be called: its id, its hold's, its payment's."""
        return self.order_id, self.hold_id, self.payment_id


# What is called, inside the transaction that creates orders, before any row is locked: it locks what waits for orders
# with these names and returns for each request what is to be done once the order exists, if anything, or a refusal.
ApplyEarlyEvents = Callable[[Order], None]
CreationHook = Callable[[Sequence[OrderRequest]], Sequence[ApplyEarlyEvents | Refusal | None]]


def decide(
    request: OrderRequest,
    answers: list[ApplyEarlyEvents | Refusal | None],
    hold: Hold | None,
    proofs: dict[str, Proof],
    *,
    now: datetime,
) -> Order | Refusal:
    """Return the order that a request makes of its locked hold, not stored yet, or why it makes none."""
    # The hold comes first: an order that is placed again has its payment id in use by itself.
    refusal = holds.refusal_to_convert(hold, now=now)
    if refusal is None:
        refusal = next((answer for answer in answers if isinstance(answer, Refusal)), None)
    if refusal is None and request.payment_id in proofs:
        refusal = PaymentIdInUse()
    return refusal or _new_order(request, hold, now=now)


def _new_order(request: OrderRequest, hold: Hold, *, now: datetime) -> Order:
    order = Order(
        pk=request.order_id,
        hold=hold,
        product_id=hold.product_id,
        quantity=hold.quantity,
        unit_price=hold.unit_price,
        total_amount=hold.unit_price * hold.quantity,
        currency=hold.currency,
        customer_id=hold.customer_id,
        payment_id=request.payment_id,
        created_at=now,
        payment_due_at=now + timedelta(seconds=settings.ORDER_PAYMENT_SECONDS),
        **(request.once.columns if request.once else {}),
    )
    order.read_at = now
    return order

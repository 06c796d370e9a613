"""Which order does an event speak of?"""

from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet

from checkout.models import Order
from payments.models import Payment, WebhookEvent


class Unmatched(Exception):
    """The event names orders in a way that a human must look at; `reason` is the word for it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def has_reference(event: WebhookEvent) -> bool:
    """Say whether the event names an order, a hold or a payment at all."""
    return bool(event.order_ref or event.hold_ref or event.payment_ref)


def find_order_id(event: WebhookEvent) -> UUID | None:
    """Return the id of the one order that the event's references name, or None when there is none yet.

    Raises `Unmatched` when they name different orders, or the payment belongs to another order.
    """
    found = dict(_named_by(event).values_list("pk", "hold_id"))
    if not found:
        return None
    if len(found) > 1:
        raise Unmatched("references_differ")
    [(order_id, hold_id)] = found.items()
    if event.order_ref not in (None, order_id) or event.hold_ref not in (None, hold_id):
        raise Unmatched("references_differ")
    return order_id


def parked_with_order() -> QuerySet[WebhookEvent]:
    """Parked events whose order exists by now, or whose payment is known."""
    payments = Payment.objects.filter(provider=OuterRef("provider"), payment_id=OuterRef("payment_ref"))
    orders = Order.objects.filter(
        Q(pk=OuterRef("order_ref")) | Q(hold_id=OuterRef("hold_ref")) | Q(payment_id=OuterRef("payment_ref"))
    )
    return WebhookEvent.objects.filter(Exists(orders) | Exists(payments), status=WebhookEvent.Status.PARKED)


def _named_by(event: WebhookEvent) -> QuerySet[Order]:
    named = Q(pk__in=[])
    if event.order_ref:
        named |= Q(pk=event.order_ref)
    if event.hold_ref:
        named |= Q(hold_id=event.hold_ref)
    if event.payment_ref:
        paid = Payment.objects.filter(provider=event.provider, payment_id=event.payment_ref)
        named |= Q(payment_id=event.payment_ref) | Q(pk__in=paid.values("order_id"))
    return Order.objects.filter(named)

"""Events that arrived before their order: applied by the order's creation, in its transaction."""

from uuid import UUID

from django.db import transaction
from django.db.models import Q

from checkout.models import Order
from checkout.orders import PaymentIdInUse, Settle
from flashsale.core import events
from flashsale.core.transactions import is_passing
from payments import inbox
from payments.models import Payment, WebhookEvent


def take(*, order_id: UUID, hold_id: UUID, payment_id: str | None) -> Settle | None:
    """Lock the parked events that wait for an order with these references; return what applies them to it, if any.

    Runs inside the transaction that creates the order, which holds the references' locks. Raises `PaymentIdInUse`
    when the payment is known for another order.
    """
    waits_for_it = Q(order_ref=order_id) | Q(hold_ref=hold_id)
    if payment_id is not None:
        waits_for_it |= Q(payment_ref=payment_id)
        if Payment.objects.filter(payment_id=payment_id).exists():
            raise PaymentIdInUse
    waiting = WebhookEvent.objects.filter(waits_for_it, status=WebhookEvent.Status.PARKED)
    parked = list(waiting.select_for_update(no_key=True, of=("self",)).order_by("pk"))
    if not parked:
        return None

    def settle(order: Order) -> None:
        for event in parked:
            _settle_one(event, order)

    return settle


def _settle_one(event: WebhookEvent, order: Order) -> None:
    """Apply one event in a savepoint: an event that cannot be applied is put off and never stops the order."""
    try:
        with transaction.atomic():
            inbox.settle(event, may_take_back=False)
    except Exception as error:
        if is_passing(error):
            raise
        events.note("webhook_failed", event_pk=event.pk, order_id=order.pk, exc_info=True)
        inbox.put_off(event, error)

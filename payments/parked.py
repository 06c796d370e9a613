"""Events that arrived before their order: applied by the order's creation, in its transaction."""

from collections.abc import Sequence

from django.db import transaction
from django.db.models import Q

from checkout.models import Order
from checkout.order_requests import OrderRequest, PaymentIdInUse, Settle
from flashsale.core import events
from flashsale.core.refusals import Refusal
from flashsale.core.transactions import is_passing
from payments import inbox
from payments.models import Payment, WebhookEvent


def take(requests: Sequence[OrderRequest]) -> list[Settle | Refusal | None]:
    """Lock the parked events that wait for these orders; return for each what applies them to it, if any.

    Runs inside the transaction that creates the orders, which holds the references' locks. The answer is
    `PaymentIdInUse` where the payment is known for another order.
    """
    order_ids, hold_ids, payment_ids = (
        zip(*(request.names for request in requests), strict=True) if requests else ((),) * 3
    )
    payment_ids = [payment_id for payment_id in payment_ids if payment_id is not None]
    waits_for_them = Q(order_ref__in=order_ids) | Q(hold_ref__in=hold_ids)
    known = set()
    if payment_ids:
        waits_for_them |= Q(payment_ref__in=payment_ids)
        known = set(Payment.objects.filter(payment_id__in=payment_ids).values_list("payment_id", flat=True))
    waiting = WebhookEvent.objects.filter(waits_for_them, status=WebhookEvent.Status.PARKED)
    parked = list(waiting.select_for_update(no_key=True, of=("self",)).order_by("pk"))
    return [
        PaymentIdInUse() if request.payment_id in known else _settle(request, parked) if parked else None
        for request in requests
    ]


def _settle(request: OrderRequest, parked: list[WebhookEvent]) -> Settle | None:
    """Return what applies those of the parked events that wait for this order."""
    own = [event for event in parked if _waits_for(event, request)]

    def settle(order: Order) -> None:
        for event in own:
            # Another order of the same transaction may have settled it.
            if event.status == WebhookEvent.Status.PARKED:
                _settle_one(event, order)

    return settle if own else None


def _waits_for(event: WebhookEvent, request: OrderRequest) -> bool:
    names_payment = request.payment_id is not None and event.payment_ref == request.payment_id
    return names_payment or event.order_ref == request.order_id or event.hold_ref == request.hold_id


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

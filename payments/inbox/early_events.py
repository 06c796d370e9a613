"""Events that arrived before their order: applied in the transaction that creates the order."""

from collections.abc import Sequence

from django.db import transaction
from django.db.models import Q

from checkout.models import Order
from checkout.orders import ApplyEarlyEvents, OrderRequest, PaymentIdInUse
from flashsale.core import events
from flashsale.core.refusals import Refusal
from flashsale.core.transactions import is_transient
from payments.inbox import processing
from payments.models import Payment, WebhookEvent


def lock_early_events(requests: Sequence[OrderRequest]) -> list[ApplyEarlyEvents | Refusal | None]:
    """Lock the parked events of these orders; return for each request a function that applies its events, or None.

    Instead it is `PaymentIdInUse` where the payment is recorded for another order. An event that names only a payment
    is applied to the order for which this payment id is proved, never to one that claims it. Runs inside the
    transaction that creates the orders, which holds the references' locks.
    """
    is_for_these_orders = Q(order_ref__in=[request.order_id for request in requests]) | Q(
        hold_ref__in=[request.hold_id for request in requests]
    )
    proved = [request.proved_payment_id for request in requests if request.proved_payment_id is not None]
    if proved:
        is_for_these_orders |= Q(payment_ref__in=proved)
    ids = [request.payment_id for request in requests if request.payment_id is not None]
    recorded = set(Payment.objects.filter(payment_id__in=ids).values_list("payment_id", flat=True)) if ids else set()
    waiting = WebhookEvent.objects.filter(is_for_these_orders, status=WebhookEvent.Status.PARKED)
    parked = list(waiting.select_for_update(no_key=True, of=("self",)).order_by("pk"))
    return [
        PaymentIdInUse() if request.payment_id in recorded else _applier_for(request, parked) if parked else None
        for request in requests
    ]


def _applier_for(request: OrderRequest, parked: list[WebhookEvent]) -> ApplyEarlyEvents | None:
    """Return a function that applies those of the parked events that are for this order, or None without any."""
    own = [event for event in parked if _is_for(event, request)]

    def apply(order: Order) -> None:
        for event in own:
            # Another order of the same transaction may have applied it.
            if event.status == WebhookEvent.Status.PARKED:
                _apply_in_savepoint(event, order)

    return apply if own else None


def _is_for(event: WebhookEvent, request: OrderRequest) -> bool:
    proved = request.proved_payment_id
    names_payment = proved is not None and event.payment_ref == proved
    return names_payment or event.order_ref == request.order_id or event.hold_ref == request.hold_id


def _apply_in_savepoint(event: WebhookEvent, order: Order) -> None:
    """Apply an event in a savepoint: when it fails, another attempt is scheduled, and the order is created anyway."""
    try:
        with transaction.atomic():
            processing.process_locked(event, may_reclaim=False)
    except Exception as error:
        if is_transient(error):
            raise
        events.record("webhook_failed", event_pk=event.pk, order_id=order.pk, exc_info=True)
        processing.schedule_retry(event, error)

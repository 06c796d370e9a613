"""Events that arrived before their order: applied in the transaction that creates the order."""

import itertools
from collections.abc import Collection, Sequence

from django.db import transaction

from checkout.models import Order
from checkout.orders import ApplyEarlyEvents, OrderRequest, PaymentIdInUse
from flashsale.core import events
from flashsale.core.refusals import Refusal
from flashsale.core.statements import Query, Statement, array, together
from flashsale.core.transactions import is_transient
from payments.inbox import processing
from payments.models import WebhookEvent

_RECORDED = "SELECT payment_id FROM payments_payment WHERE payment_id = ANY(%s::text[])"
_PARKED = "status = 'parked' AND (order_ref = ANY(%s::uuid[]) OR hold_ref = ANY(%s::uuid[]))"
_PARKED_OR_PROVED = """
status = 'parked'
AND (order_ref = ANY(%s::uuid[]) OR hold_ref = ANY(%s::uuid[]) OR payment_ref = ANY(%s::text[]))
"""


def early_events_query(requests: Sequence[OrderRequest]) -> Query[Sequence[ApplyEarlyEvents | Refusal | None]]:
    """Lock the parked events of these orders; return for each request a function that applies its events, or None.

    Instead it is `PaymentIdInUse` where the payment is recorded for another order. An event that names only a payment
    is applied to the order for which this payment id is proved, never to one that claims it. Sent inside the
    transaction that creates the orders, after the references' locks.
    """

    def appliers(recorded: set[str], parked: dict[int, WebhookEvent]) -> list[ApplyEarlyEvents | Refusal | None]:
        return [
            PaymentIdInUse() if request.payment_id in recorded else _applier_for(request, parked.values())
            for request in requests
        ]

    return together(appliers, _recorded_query(requests), _parked_query(requests))


def _recorded_query(requests: Sequence[OrderRequest]) -> Query[set[str]]:
    """Return those of the requests' payment ids whose payments are recorded."""
    ids = [request.payment_id for request in requests if request.payment_id is not None]
    return Query(
        [Statement(_RECORDED, [array(ids)])] if ids else [],
        lambda results: {row["payment_id"] for row in itertools.chain.from_iterable(results)},
    )


def _parked_query(requests: Sequence[OrderRequest]) -> Query[dict[int, WebhookEvent]]:
    proved = [request.proved_payment_id for request in requests if request.proved_payment_id is not None]
    ids = [array(request.order_id for request in requests), array(request.hold_id for request in requests)]
    if not proved:
        return processing.locking_query(_PARKED, ids)
    return processing.locking_query(_PARKED_OR_PROVED, [*ids, array(proved)])


def _applier_for(request: OrderRequest, parked: Collection[WebhookEvent]) -> ApplyEarlyEvents | None:
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

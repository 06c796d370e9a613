"""Places orders: lock keys, references, early events and holds, decide, write, apply the early events."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from checkout import holds, idempotency, proved_payments, reference_locks
from checkout.idempotency import IdempotencyKey
from checkout.models import Hold, Order
from checkout.orders import reading
from checkout.orders.creation_hook import ApplyEarlyEvents, early_events_query
from checkout.orders.reading import OrderView
from checkout.orders.refusals import PaymentIdInUse
from checkout.orders.requests import OrderRequest, new_order
from checkout.orders.transitions import RESOURCE
from flashsale.core import clock, events, rows
from flashsale.core.refusals import Refusal
from flashsale.core.statements import fetch
from flashsale.core.transactions import defer_to_commit, flush_deferred, retrying_transaction
from flashsale.outbox import recording
from flashsale.outbox.kinds import EventType


def place(
    *,
    hold_id: UUID,
    payment_id: str | None = None,
    is_payment_id_proved: bool = False,
    metadata: Mapping[str, str] | None = None,
    key: IdempotencyKey | None = None,
) -> Order:
    """Turn an active hold into an order, to be paid within `ORDER_PAYMENT_SECONDS`; early events are applied at once.

    A payment id that is not proved is a claim; `metadata` is stored and never interpreted. Equal requests with the same
    `key` make one order.

    Raises `IdempotencyKeyReused`, `NotFound`, `HoldAlreadyUsed`, `HoldReleased`, `HoldExpired`, `PaymentIdInUse`.
    """
    request = OrderRequest(
        hold_id=hold_id,
        payment_id=payment_id,
        is_payment_id_proved=is_payment_id_proved,
        metadata=metadata or {},
        key=key,
    )
    [result] = place_batch([request])
    if isinstance(result, Refusal):
        raise result
    return result.order


@retrying_transaction
def place_batch(requests: Sequence[OrderRequest]) -> list[OrderView | Refusal]:
    """Do what `place` does for each request, in one transaction; return an order or a refusal for each.

    No two may have the same hold, payment id or Idempotency-Key.
    """
    keys = {request.order_id: request.key for request in requests}
    replays = idempotency.lock_and_replay(reading.annotate(Order.objects.all()), keys, view=reading.replayed)
    new = [request for request in requests if request.order_id not in replays]
    results = replays | _place_new(new)
    return [results[request.order_id] for request in requests]


def _place_new(requests: list[OrderRequest]) -> dict[UUID, OrderView | Refusal]:
    if not requests:
        return {}
    _, early, locked, proofs, now = fetch(
        reference_locks.locking_query(request.references for request in requests),
        early_events_query(requests),
        holds.locking_query(request.hold_id for request in requests),
        proved_payments.query(request.payment_id for request in requests),
        clock.query(),
    )
    early_events = dict(zip((request.order_id for request in requests), early, strict=True))
    decided: dict[UUID, Order | Refusal] = {}
    for request in requests:
        hold, event = locked.get(request.hold_id), early_events[request.order_id]
        # The hold is checked first: when it was ordered before, its own order already has the payment id.
        refusal = holds.refusal_to_convert(hold, now=now) or (event if isinstance(event, Refusal) else None)
        if refusal is None and request.payment_id in proofs:
            refusal = PaymentIdInUse()
        decided[request.order_id] = refusal or new_order(request, locked[request.hold_id], now=now)
    _store(requests, decided, locked, now=now)
    if any(callable(apply) for apply in early):
        # What applies an early event reads the new orders.
        flush_deferred()
    return _with_early_events(requests, decided, early_events, now=now)


def _store(
    requests: list[OrderRequest], decided: dict[UUID, Order | Refusal], locked: dict[UUID, Hold], *, now: datetime
) -> None:
    """Convert the holds, and store the orders that are made of them and their proved payment ids with the COMMIT."""
    orders = [order for order in decided.values() if isinstance(order, Order)]
    if not orders:
        return
    holds.convert([locked[order.hold_id] for order in orders], now=now)
    defer_to_commit(rows.insertion(orders))
    recording.record(EventType.ORDER_PLACED, RESOURCE, [order.pk for order in orders], previous_status=None)
    proved_payments.prove_by_tokens(
        [
            (request.proved_payment_id, request.order_id)
            for request in requests
            if request.proved_payment_id is not None and isinstance(decided[request.order_id], Order)
        ],
        now=now,
    )


def _with_early_events(
    requests: list[OrderRequest],
    decided: dict[UUID, Order | Refusal],
    early_events: dict[UUID, ApplyEarlyEvents | Refusal | None],
    *,
    now: datetime,
) -> dict[UUID, OrderView | Refusal]:
    """Apply the parked events of the new orders; return a result for each request.

    In ascending order of products, because applying a payment may lock the product's stock.
    """
    results: dict[UUID, OrderView | Refusal] = {}

    def product_id_of(request: OrderRequest) -> int:
        order = decided[request.order_id]
        return order.product_id if isinstance(order, Order) else 0

    for request in sorted(requests, key=product_id_of):
        order, apply = decided[request.order_id], early_events[request.order_id]
        if isinstance(order, Refusal):
            results[request.order_id] = order
            continue
        with events.bound_to_request(request.request_id):
            _record(order)
            if apply is None or isinstance(apply, Refusal):
                results[request.order_id] = OrderView(order=order, read_at=now)
            else:
                apply(order)
                results[request.order_id] = reading.get(order.pk)
    return results


def _record(order: Order) -> None:
    events.record_on_commit(
        "order_placed", order_id=order.pk, product_id=order.product_id, units=order.quantity, hold_id=order.hold_id
    )

"""Webhooks that come at the same moment are stored in one transaction and decided in another one (see
`flashsale.core.batching`).

Only successes that name their order by id are decided together: those that are plain (`rules.is_plain_payment`) by one
statement for each table, the others one after the other by the inbox. Whatever else an event is, it is processed alone,
and so is each of a batch that failed.
"""

import contextlib
import functools
from collections.abc import Mapping, Sequence

from checkout import orders, proved_payments, reference_locks
from flashsale.core import clock, events
from flashsale.core.batching import Admit, Batcher, is_fault_or_lock_timeout
from flashsale.core.capacity import shares
from flashsale.core.capacity.bulkheads import Bulkhead
from flashsale.core.transactions import retrying_transaction
from payments import inbox, payment_records
from payments.inbox import Receipt, deliveries, rules
from payments.inbox.deliveries import Delivery
from payments.models import WebhookEvent
from payments.providers.base import Provider

_deliveries = Bulkhead(shares.deliveries)
# Payments that wait for locked rows leave connections for everything else.
_locks = Bulkhead(shares.payment_locks, waiting=shares.lock_waiters, wait_seconds=shares.PAYMENT_WAIT_SECONDS)


def receive(provider: Provider, *, body: bytes, headers: Mapping[str, str]) -> Receipt:
    """Do what `inbox.receive` does, with those who come at the same moment.

    Raises what that raises, and before anything is stored `Busy` and `OutcomeUnknown`.
    """
    with contextlib.ExitStack() as place:
        store = functools.partial(_store, place)
        return inbox.receive(provider, body=body, headers=headers, store=store, process=_process)


def _store(place: contextlib.ExitStack, delivery: Delivery) -> tuple[WebhookEvent, bool]:
    # A place among the deliveries is for signed ones only, and is kept until the event is decided.
    place.enter_context(_deliveries.entered())
    return delivery_batcher.submit(None, delivery)


def _process(event: WebhookEvent) -> WebhookEvent:
    is_plain = event.kind == WebhookEvent.Kind.SUCCESS and event.order_ref is not None
    if is_plain:
        return payment_batcher.submit(None, event)
    with _locks.entered():
        return inbox.process(event.pk, seen=event)


@retrying_transaction
def process_payments(seen: Sequence[WebhookEvent]) -> list[WebhookEvent]:
    """Process open successes that name their orders by id, in one transaction; return them as they then stand.

    Raises what one of them raises: then nothing was done.
    """
    reference_locks.lock_all(inbox.references_of(event) for event in seen)
    locked = inbox.lock_all(event.pk for event in seen)
    left_open = [event for event in locked.values() if event.status in inbox.UNDECIDED]
    paid = _pay_plain(left_open)
    others = [event for event in left_open if event.pk not in paid]
    if others:
        # Late payments look at their stock at once, in the order of the events.
        orders.lock_stocks(event.order_ref for event in left_open)
    for event in others:
        with events.bound_to_request(event.request_id):
            inbox.decide_and_store(event, may_reclaim=True)
    return [locked[event.pk] for event in seen]


def _pay_plain(left_open: list[WebhookEvent]) -> set[int]:
    """Let the events pay their orders about which there is nothing to decide; return the ids of these events."""
    found = orders.lock_all(event.order_ref for event in left_open)
    known = payment_records.known_names(left_open)
    proofs = proved_payments.find(event.payment_ref for event in left_open)
    now = clock.now()
    plain, brought = [], {}
    for event in left_open:
        # One event for each order, and one for each payment; a payment's id is proved for all providers.
        order, name = found.pop(event.order_ref, None), (event.provider, payment_records.payment_id_of(event))
        proof = proofs.get(event.payment_ref)
        is_theirs = order is not None and (proof is None or proof.order_id == order.pk)
        is_new = name not in known and event.payment_ref not in brought
        if is_theirs and is_new and rules.is_plain_payment(event, order, now=now):
            known.add(name)
            plain.append((event, order))
            if event.payment_ref:
                brought[event.payment_ref] = order.pk
    if plain:
        proved_payments.prove_by_events(brought.items(), now=now)
        orders.mark_all_paid([(order, event.payment_ref) for event, order in plain], now=now)
        payment_records.record_all(plain, now=now)
        inbox.write_payments(plain, now=now)
    return {event.pk for event, _ in plain}


def _store_batch(
    _: None, batch: list[Delivery], admit: Admit[Delivery]
) -> Sequence[tuple[WebhookEvent, bool] | Exception]:
    return deliveries.store(batch)


def _process_batch(_: None, seen: list[WebhookEvent], admit: Admit[WebhookEvent]) -> Sequence[WebhookEvent | Exception]:
    with _locks.entered():
        if len(seen) == 1:
            return [inbox.process(seen[0].pk, seen=seen[0])]
        return process_payments(seen)


def _is_another_event(delivery: Delivery, others: list[Delivery]) -> bool:
    """Say whether no other request delivers the same event: the second delivery waits for the first one's outcome."""
    return all(other.name != delivery.name for other in others)


delivery_batcher: Batcher[None, Delivery, tuple[WebhookEvent, bool]] = Batcher(
    _store_batch, compatible=_is_another_event, isolates=is_fault_or_lock_timeout
)
payment_batcher: Batcher[None, WebhookEvent, WebhookEvent] = Batcher(
    _process_batch,
    compatible=lambda event, others: all(event.pk != other.pk for other in others),
    isolates=is_fault_or_lock_timeout,
)

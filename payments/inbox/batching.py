"""Group commit of webhooks: concurrent events are stored in one transaction and processed in another one.

See `flashsale.core.batching`. Successes that name their order by id are processed together, every other event alone. A
batch that fails is rolled back, and each of its events is then stored or processed alone.
"""

from collections.abc import Sequence

from flashsale.core import events
from flashsale.core.batching import Admit, Batcher, is_fault_or_lock_timeout
from flashsale.core.capacity import shares
from flashsale.core.capacity.bulkheads import Bulkhead
from flashsale.core.transactions import OutcomeUnknown
from payments.inbox import deliveries, processing
from payments.inbox.deliveries import Delivery
from payments.models import WebhookEvent

Stored = tuple[WebhookEvent, bool]

# Limits the threads that wait for locked rows, so that other requests have connections.
_locks = Bulkhead(shares.payment_locks, waiting=shares.lock_waiters, wait_seconds=shares.PAYMENT_WAIT_SECONDS)


def store(delivery: Delivery) -> Stored:
    """Commit an event; return it, and whether it is new. Raises `Busy` and `OutcomeUnknown`."""
    return delivery_batcher.submit(None, delivery)


def process(event: WebhookEvent) -> WebhookEvent:
    """Process a stored event and return it as it then stands.

    An error is recorded on the event, which is then processed again later. Raises `OutcomeUnknown` only.
    """
    with events.bound_to_request(event.request_id):
        try:
            if event.kind == WebhookEvent.Kind.SUCCESS and event.order_ref is not None:
                return payment_batcher.submit(None, event)
            with _locks.entered():
                [processed] = processing.process([event])
                return processed
        except OutcomeUnknown:
            raise
        except Exception as error:
            return processing.record_error(event, error)


def _store_batch(_: None, batch: list[Delivery], admit: Admit[Delivery]) -> Sequence[Stored]:
    return deliveries.store(batch)


def _process_batch(_: None, batch: list[WebhookEvent], admit: Admit[WebhookEvent]) -> Sequence[WebhookEvent]:
    with _locks.entered():
        return processing.process(batch)


def _is_another_event(delivery: Delivery, others: list[Delivery]) -> bool:
    """Say whether no other delivery is of the same event: a second one waits for the outcome of the first."""
    return all(other.name != delivery.name for other in others)


def _is_another_row(event: WebhookEvent, others: list[WebhookEvent]) -> bool:
    return all(event.pk != other.pk for other in others)


delivery_batcher: Batcher[None, Delivery, Stored] = Batcher(
    _store_batch, compatible=_is_another_event, isolates=is_fault_or_lock_timeout, gathers=True
)
payment_batcher: Batcher[None, WebhookEvent, WebhookEvent] = Batcher(
    _process_batch, compatible=_is_another_row, isolates=is_fault_or_lock_timeout, gathers=True
)

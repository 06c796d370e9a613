"""Events of payment providers: posted by them and verified, or read from their API; then stored and processed.

If the process dies after any line here, the event is either not stored (the provider had no 2xx and sends it again) or
stored and due for another attempt (the worker processes it).
"""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from checkout.models import Order
from flashsale.core import clock, events, greenlets
from flashsale.core.capacity import shares
from flashsale.core.capacity.bulkheads import Bulkhead
from flashsale.core.refusals import Refusal
from payments.inbox import batching
from payments.inbox.deliveries import Delivery
from payments.models import WebhookEvent
from payments.providers.base import Message, Provider, SignatureMismatch

_deliveries = Bulkhead(shares.deliveries)
_refused = events.SampledEvent("webhook_refused")


class SignatureInvalid(Refusal):
    code = "signature_invalid"
    title = "Signature missing or wrong"


@dataclass(frozen=True)
class Receipt:
    """What became of a delivery: the stored event, whether it had been stored before, the database time of both."""

    event: WebhookEvent
    is_replay: bool
    answered_at: datetime


def verify_headers(provider: Provider, headers: Mapping[str, str]) -> None:
    """Raise `SignatureInvalid` when the headers alone show a missing or outdated signature; the body is not needed."""
    with _refusing(provider):
        if not _may_be_unsigned(provider):
            provider.verify_headers(headers)


def receive(provider: Provider, *, body: bytes, headers: Mapping[str, str]) -> Receipt:
    """Verify, store and process one request of a provider.

    Raises `SignatureInvalid`, `UnusableBody` when the bytes are no event, before anything is stored `Busy`, and
    `OutcomeUnknown`, so that the provider sends it again. After the event is stored any other error is recorded on the
    event, and the worker processes it again.
    """
    with _refusing(provider):
        if not _may_be_unsigned(provider):
            provider.verify(body, headers)
    message = provider.translate(body, headers)
    stored_headers = {name: headers[name] for name in provider.kept_headers if name in headers}
    return _store_and_process(Delivery(provider.name, message, body, stored_headers, events.request_id()))


def take(provider: Provider, body: bytes, *, source: WebhookEvent.Source) -> Receipt:
    """Store and process an event that the shop read from the provider's API: its body carries no signature.

    An event id that is stored from another source is the same event, in every API version. Raises as `receive` does,
    except for `SignatureInvalid`.
    """
    message = provider.translate(body, {})
    return _store_and_process(Delivery(provider.name, message, body, {}, events.request_id(), source=source))


def report(provider: Provider, message: Message, body: bytes, *, source: WebhookEvent.Source, reason: str) -> Receipt:
    """Store something that staff have to judge, for this reason, as an event that needs review.

    The same message is stored once. Raises `Busy` and `OutcomeUnknown`.
    """
    request_id = events.request_id()
    return _store_and_process(Delivery(provider.name, message, body, {}, request_id, source=source, reason=reason))


def _store_and_process(delivery: Delivery) -> Receipt:
    with _deliveries.entered():
        event, is_new = batching.store(delivery)
        if event.is_retryable:
            event = batching.process(event)
    _load_order(event)
    if is_new:
        return Receipt(event=event, is_replay=False, answered_at=event.processed_at or event.received_at)
    events.record("webhook_duplicate", provider=delivery.provider, event_pk=event.pk, event_id=event.event_id)
    return Receipt(event=event, is_replay=True, answered_at=clock.now())


def _load_order(event: WebhookEvent) -> None:
    """Read the order that the answer shows, unless it was read with the event."""
    if event.order_id is not None and not WebhookEvent.order.is_cached(event):
        event.order = greenlets.offload(Order.objects.get, pk=event.order_id)


def _may_be_unsigned(provider: Provider) -> bool:
    """Say whether events are accepted unsigned: in local mode, as long as no secret is configured."""
    if provider.has_secrets():
        return False
    if not settings.LOCAL_MODE:
        raise SignatureMismatch("No webhook secret is configured, so no event can be verified.")
    return True


@contextlib.contextmanager
def _refusing(provider: Provider) -> Iterator[None]:
    try:
        yield
    except SignatureMismatch as error:
        _refused.record(provider=provider.name)
        raise SignatureInvalid(str(error)) from error

"""Search in the lists of money, by what staff have in hand: ids of events, payments, orders and holds.

Each look-up is answered by an index; ids of payments and events are compared whole.
"""

from collections.abc import Iterator

from django.db.models import Q, QuerySet

from flashsale.core.staff.search import has_uuid
from payments.explanations import naming
from payments.models import Dispute, Payment, PaymentAttempt, Refund, WebhookEvent
from payments.providers import PROVIDERS


def events(text: str) -> Iterator[QuerySet[WebhookEvent]]:
    """Yield the events with this id, those about this payment, and those of or about this order or hold."""
    yield WebhookEvent.objects.filter(provider__in=PROVIDERS, event_id=text)
    yield from naming.naming(payment_ids=[text])
    yield WebhookEvent.objects.filter(payments__in=_payments(text))
    # What came after the payment was recorded, and was matched by it.
    yield WebhookEvent.objects.filter(order__payments__in=_payments(text), payment_ref=text)
    if is_order := has_uuid(text, "order"):
        yield WebhookEvent.objects.filter(is_order)
        for column in ("order_ref", "hold_ref"):
            yield naming.not_plain(column).filter(has_uuid(text, column) or Q())
        yield WebhookEvent.objects.filter(has_uuid(text, "order__hold") or Q())


def payments(text: str) -> Iterator[QuerySet[Payment]]:
    """Yield the payments with this id, those that an event with this id brought, and those of an order or hold."""
    yield _payments(text)
    yield Payment.objects.filter(event__in=WebhookEvent.objects.filter(provider__in=PROVIDERS, event_id=text))
    yield from (Payment.objects.filter(of_order) for of_order in _of_order(text, "order"))


def refunds(text: str) -> Iterator[QuerySet[Refund]]:
    """Yield the refunds with this id, and those of a payment, an order or a hold."""
    yield Refund.objects.filter(refund_id=text)
    yield Refund.objects.filter(payment__in=_payments(text))
    yield from (Refund.objects.filter(of_order) for of_order in _of_order(text, "payment__order"))


def disputes(text: str) -> Iterator[QuerySet[Dispute]]:
    """Yield the disputes with this id, and those of a payment, an order or a hold."""
    yield Dispute.objects.filter(dispute_id=text)
    yield Dispute.objects.filter(payment__in=_payments(text))
    yield from (Dispute.objects.filter(of_order) for of_order in _of_order(text, "payment__order"))


def attempts(text: str) -> Iterator[QuerySet[PaymentAttempt]]:
    """Yield the attempts with this id, at the provider or here, and those of an order or a hold."""
    yield attempts_at_provider(text)
    if is_attempt := has_uuid(text):
        yield PaymentAttempt.objects.filter(is_attempt)
    yield from (PaymentAttempt.objects.filter(of_order) for of_order in _of_order(text, "order"))


def attempts_at_provider(text: str) -> QuerySet[PaymentAttempt]:
    """Return the attempts whose intent or session, or whose payment, has this id at its provider."""
    return PaymentAttempt.objects.filter(Q(object_id=text) | Q(payment_id=text), provider__in=PROVIDERS)


def _payments(text: str) -> QuerySet[Payment]:
    return Payment.objects.filter(provider__in=PROVIDERS, payment_id=text)


def _of_order(text: str, path: str) -> list[Q]:
    """Return the conditions that the order at `path`, or its hold, has this id."""
    conditions = (has_uuid(text, path), has_uuid(text, f"{path}__hold"))
    return [condition for condition in conditions if condition is not None]

"""Events by what they name, whether or not they were matched with it; each look-up uses an index."""

from collections.abc import Collection, Iterator
from uuid import UUID

from django.db.models import Q, QuerySet

from checkout.models import Order, ProvedPaymentId
from payments.models import NAMING, Payment, WebhookEvent


def events_of(order: Order) -> QuerySet[WebhookEvent]:
    """Return the events that were matched with an order, or name it, its hold or one of its payment ids."""
    payment_ids = {order.payment_id} if order.payment_id else set()
    payment_ids.update(ProvedPaymentId.objects.filter(order=order).values_list("payment_id", flat=True))
    payment_ids.update(Payment.objects.filter(order=order).values_list("payment_id", flat=True))
    found = {key for events in naming(order_id=order.pk, hold_id=order.hold_id, payment_ids=payment_ids)
             for key in events.values_list("pk", flat=True)}  # fmt: skip
    found.update(WebhookEvent.objects.filter(order=order).values_list("pk", flat=True))
    return WebhookEvent.objects.filter(pk__in=found).select_related("order__product", "settled_by").order_by("pk")


def naming(
    *, order_id: UUID | None = None, hold_id: UUID | None = None, payment_ids: Collection[str] = ()
) -> Iterator[QuerySet[WebhookEvent]]:
    """Yield querysets of the events that name any of these, except for plain successes: their order is known."""
    named: dict[str, Q] = {}
    if order_id is not None:
        named["order_ref"] = Q(order_ref=order_id)
    if hold_id is not None:
        named["hold_ref"] = Q(hold_ref=hold_id)
    if payment_ids:
        named["payment_ref"] = Q(payment_ref__in=sorted(payment_ids))
    for column, condition in named.items():
        yield not_plain(column).filter(condition)
    if named:
        any_of = Q()
        for condition in named.values():
            any_of |= condition
        # Few, and soon decided.
        yield WebhookEvent.objects.filter(any_of, status=WebhookEvent.Status.RECEIVED)


def not_plain(column: str) -> QuerySet[WebhookEvent]:
    """Return the events with a value in this column, except for plain successes: those that its index has."""
    return WebhookEvent.objects.filter(NAMING[column])

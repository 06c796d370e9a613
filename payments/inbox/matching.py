"""Which order an event is about."""

from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet

from checkout import proved_payments
from checkout.models import Hold, Order, ProvedPaymentId
from payments.models import Payment, WebhookEvent

PARKED_MAX_HOURS = 24
# From these states a hold never becomes an order.
_ENDED = (Hold.Status.RELEASED, Hold.Status.EXPIRED)


class Unmatched(Exception):
    """The event's references contradict each other or a known payment; `reason` is stored with the event."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def find_order_id(event: WebhookEvent) -> UUID | None:
    """Return the id of the one order that the event's references name, or None when there is none yet.

    An order's or a hold's id outweighs an API token's proof of the payment id, unless the payment is recorded; a
    buyer's claim has no effect. Raises `Unmatched` when the references name different orders, or the payment belongs to
    another order.
    """
    owner_id, is_by_token = _owner_of_payment(event)
    if not (event.order_ref or event.hold_ref):
        return owner_id
    if is_by_token:
        owner_id = None
    named = dict(_named_by(event).values_list("pk", "hold_id"))
    if len(named) > 1 or (not named and owner_id is not None):
        raise Unmatched("references_differ")
    for order_id, hold_id in named.items():
        if event.order_ref not in (None, order_id) or event.hold_ref not in (None, hold_id):
            raise Unmatched("references_differ")
        if owner_id not in (None, order_id):
            raise Unmatched("payment_of_another_order")
        return order_id
    return None


def parked_with_order() -> QuerySet[WebhookEvent]:
    """Parked events whose order exists by now, or whose payment is recorded."""
    orders = Order.objects.filter(Q(pk=OuterRef("order_ref")) | Q(hold_id=OuterRef("hold_ref")))
    payments = Payment.objects.filter(provider=OuterRef("provider"), payment_id=OuterRef("payment_ref"))
    proofs = ProvedPaymentId.objects.filter(payment_id=OuterRef("payment_ref"))
    # A proof finds an order; a dispute waits for the payment itself.
    finds_its_order_by_proof = Q(order_ref=None, hold_ref=None) & ~Q(kind=WebhookEvent.Kind.DISPUTE) & Exists(proofs)
    return _parked().filter(Exists(orders) | Exists(payments) | finds_its_order_by_proof)


def parked_expired(now: datetime) -> QuerySet[WebhookEvent]:
    """Parked events whose order can no longer be created: their hold ended without one, or they are parked too long."""
    is_too_old = Q(parked_at__lte=now - timedelta(hours=PARKED_MAX_HOURS))
    return _parked().filter(is_too_old | Exists(_ended_holds(now).filter(pk=OuterRef("hold_ref"))))


def order_may_come(event: WebhookEvent, *, now: datetime) -> bool:
    """Say whether the order of an event may still be created.

    Runs inside a transaction that holds the event's reference locks, so that no order is created meanwhile; `now` is
    read after taking them.
    """
    if event.parked_at is not None and now - event.parked_at >= timedelta(hours=PARKED_MAX_HOURS):
        return False
    return event.hold_ref is None or not _ended_holds(now).filter(pk=event.hold_ref).exists()


def _parked() -> QuerySet[WebhookEvent]:
    return WebhookEvent.objects.filter(status=WebhookEvent.Status.PARKED)


def _ended_holds(now: datetime) -> QuerySet[Hold]:
    return Hold.objects.filter(Q(status__in=_ENDED) | Q(status=Hold.Status.ACTIVE, expires_at__lte=now))


def _owner_of_payment(event: WebhookEvent) -> tuple[UUID | None, bool]:
    """Return the order whose payment the event names, if any, and whether only an API token proved it."""
    if not event.payment_ref:
        return None, False
    payments = Payment.objects.filter(provider=event.provider, payment_id=event.payment_ref, order__isnull=False)
    if order_id := payments.values_list("order_id", flat=True).first():
        return order_id, False
    proof = proved_payments.find(event.payment_ref)
    return (proof.order_id, proof.is_by_token) if proof else (None, False)


def _named_by(event: WebhookEvent) -> QuerySet[Order]:
    is_named = Q(pk__in=[])
    if event.order_ref:
        is_named |= Q(pk=event.order_ref)
    if event.hold_ref:
        is_named |= Q(hold_id=event.hold_ref)
    return Order.objects.filter(is_named)

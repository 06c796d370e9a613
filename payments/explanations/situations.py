"""What an event names and what is known of it now: orders, the owner of its payment id, the recorded payment."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Q

from checkout.models import Order, ProvedPaymentId
from flashsale.core import money
from flashsale.core.identifiers import short
from payments.explanations import declines
from payments.models import Payment, WebhookEvent

UNKNOWN = "an unknown amount"
# These say something about a payment, not about an order's price.
ABOUT_PAYMENTS = frozenset(
    {WebhookEvent.Kind.REFUNDED, WebhookEvent.Kind.REFUND_FAILED, WebhookEvent.Kind.DISPUTE}
)  # fmt: skip


@dataclass(frozen=True)
class Situation:
    """An event with the orders that its order and hold ids name, the order that owns its payment id, and its payment.

    The owner is the order of the recorded payment, else the one for which the payment id is proved. `declined` tells
    what was declined and why, of an event about that.
    """

    event: WebhookEvent
    named: tuple[Order, ...]
    owner: Order | None
    payment: Payment | None
    declined: str = ""

    @property
    def order(self) -> Order | None:
        """The event's order; before it is matched, the only one that it can mean."""
        if self.event.order is not None:
            return self.event.order
        if len(self.named) == 1:
            return self.named[0]
        return None if self.named or self.event.order_ref or self.event.hold_ref else self.owner

    @property
    def order_of_hold(self) -> Order | None:
        """The order of the hold that it names."""
        return next((order for order in self.named if order.hold_id == self.event.hold_ref), None)

    @property
    def names_known_order(self) -> bool:
        """Whether an order has the order id that it names."""
        return any(order.pk == self.event.order_ref for order in self.named)

    @property
    def money(self) -> tuple[Decimal, str] | None:
        """The amount and currency that it brings; its order's price where it does not tell them."""
        event, order = self.event, self.order
        amount = event.amount if event.amount is not None or order is None else order.total_amount
        currency = event.currency or (order.currency if order else "")
        return None if amount is None else (amount, currency)

    @property
    def paid(self) -> str:
        """What the event says was paid, for people; an empty text where it does not say it."""
        amount = self.event.amount
        return "" if amount is None else money.written(amount, self.event.currency)

    @property
    def amount(self) -> str:
        """What was paid, for people."""
        return UNKNOWN if self.money is None else money.written(*self.money)

    @property
    def expected(self) -> str:
        """What its order costs, or the payment's amount for an event about a payment; an empty text if unknown."""
        if self.event.kind in ABOUT_PAYMENTS:
            return money.written(self.payment.amount, self.payment.currency) if self.payment else ""
        order = self.order
        return "" if order is None else money.written(order.total_amount, order.currency)

    @property
    def left_to_refund(self) -> str:
        """What of its payment was not given back yet, for people."""
        if self.payment is None:
            return UNKNOWN
        return money.written(self.payment.amount - self.payment.refunded_amount, self.payment.currency)


def read(event: WebhookEvent) -> Situation:
    """Return what is known of one event now."""
    [situation] = read_all([event])
    return situation


def read_all(events: Iterable[WebhookEvent]) -> list[Situation]:
    """Return what is known of these events now, with a few queries for all of them."""
    events = list(events)
    orders = _named_by(events)
    by_id = {order.pk: order for order in orders}
    by_hold = {order.hold_id: order for order in orders}
    payments = _payments_of(events)
    owners = _proved_owners_of(events)
    declined = declines.told_by(events)
    situations = []
    for event in events:
        found = (event.order_ref and by_id.get(event.order_ref), event.hold_ref and by_hold.get(event.hold_ref))
        named = tuple({order.pk: order for order in found if order}.values())
        payment = payments.get(event.payment_key)
        owner = payment.order if payment is not None and payment.order else owners.get(event.payment_ref or "")
        situations.append(Situation(event, named, owner, payment, declined.get(event.pk, "")))
    return situations


def short_name(order: Order | None) -> str:
    """Return how sentences call an order."""
    return "another order" if order is None else f"order {short(order.pk)}"


def _named_by(events: list[WebhookEvent]) -> list[Order]:
    """Return the orders with the order and hold ids of these events."""
    order_ids = {event.order_ref for event in events if event.order_ref}
    hold_ids = {event.hold_ref for event in events if event.hold_ref}
    if not order_ids and not hold_ids:
        return []
    named = Q(pk__in=order_ids) | Q(hold_id__in=hold_ids)
    return list(Order.objects.filter(named).select_related("product"))


def _payments_of(events: list[WebhookEvent]) -> dict[tuple[str, str], Payment]:
    """Return the recorded payments of these events, by provider and payment id."""
    keys = {event.payment_key for event in events}
    found = Payment.objects.filter(
        provider__in={provider for provider, _ in keys}, payment_id__in={payment_id for _, payment_id in keys}
    ).select_related("order__product")
    return {(payment.provider, payment.payment_id): payment for payment in found}


def _proved_owners_of(events: list[WebhookEvent]) -> dict[str, Order]:
    """Return the orders for which the payment ids of these events are proved, by payment id."""
    ids = {event.payment_ref for event in events if event.payment_ref}
    proofs = ProvedPaymentId.objects.filter(payment_id__in=ids).select_related("order__product") if ids else []
    return {proof.payment_id: proof.order for proof in proofs}

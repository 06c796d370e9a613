"""Events about successful payments: they pay their order, or their money becomes due for refund.

Every function runs inside a transaction that holds the event's reference locks and row lock, and, unless it says
otherwise, the order's row lock.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings

from catalog import overdue
from catalog.inventory import InsufficientStock
from catalog.sales import LimitExceeded
from checkout import orders, proved_payments
from checkout.models import Order
from checkout.proved_payments import Proof
from flashsale.core import clock, events
from flashsale.core.refusals import Refusal
from flashsale.core.statements import Query, together
from payments import payment_records
from payments.inbox.rules.verdicts import Verdict, applied, ignore, review
from payments.models import Payment, WebhookEvent

# Why money cannot pay its order, by the refusal.
REFUND_REASONS: dict[type[Refusal], str] = {
    orders.OrderAlreadyPaid: "order_already_paid",
    orders.OrderNotPending: "order_cancelled",
    InsufficientStock: "units_gone",
    LimitExceeded: "limit_exceeded",
}


@dataclass(frozen=True)
class Facts:
    """What `pay_plain` has to know, read at database time `now` after the orders were locked.

    `orders` by their ids; of the events' payments those that are `recorded`, by provider and payment id, and the
    `proofs` of their payment ids.
    """

    orders: dict[UUID, Order]
    recorded: set[tuple[str, str]]
    proofs: dict[str, Proof]
    now: datetime


def facts_query(batch: Iterable[WebhookEvent]) -> Query[Facts | None]:
    """Lock the orders that successes name by their ids, and read what is known of their payments; None without any."""
    successes = [event for event in batch if event.kind == WebhookEvent.Kind.SUCCESS and event.order_ref is not None]
    if not successes:
        return Query([], lambda _: None)
    return together(
        Facts,
        orders.locking_query(event.order_ref for event in successes if event.order_ref),
        payment_records.recorded_query(successes),
        proved_payments.query(event.payment_ref for event in successes),
        clock.query(),
    )


def pay_plain(undecided: Iterable[WebhookEvent], facts: Facts) -> list[tuple[WebhookEvent, Order]]:
    """Let plain successes pay their orders, with one statement for each table; return them with their orders.

    A success is plain when it names its order by id and needs no decision beyond the facts. The other events are left
    as they are.
    """
    paid = _plain(undecided, facts)
    if paid:
        orders.mark_all_paid([(order, event.payment_ref) for event, order in paid], now=facts.now)
        proved = {event.payment_ref: order.pk for event, order in paid if event.payment_ref}
        proved_payments.prove_by_events(proved, now=facts.now)
        payment_records.record_all(paid, now=facts.now)
        for event, order in paid:
            with events.bound_to_request(event.request_id):
                orders.record_paid(order)
    return paid


def apply(event: WebhookEvent, order: Order, *, may_reclaim: bool) -> Verdict:
    """Let the money pay the order, or make it due for refund.

    Raises `overdue.ReclaimFirst` where that may help and `may_reclaim` is set.
    """
    if verdict := verdict_on_recorded(event, order):
        return verdict
    try:
        orders.mark_paid(order, payment_id=event.payment_ref)
    except Refusal as refusal:
        if type(refusal) not in REFUND_REASONS:
            raise
        if may_reclaim and _may_pass_after_reclaim(refusal, order):
            raise overdue.ReclaimFirst(order.product_id) from None
        return _make_refund_due(event, order, reason=REFUND_REASONS[type(refusal)])
    if event.payment_ref:
        orders.prove_payment(order, event.payment_ref)
    paid_at = order.paid_at or clock.now()
    payment_records.record(event, order, status=Payment.Status.APPLIED, now=paid_at)
    return applied("order_paid", at=paid_at)


def is_too_late(event: WebhookEvent, order: Order) -> bool:
    """Say whether the money was taken more than `LATE_PAYMENT_HOURS` after the order's payment window."""
    if order.status_at(clock.now()) != Order.Status.EXPIRED:
        return False
    return event.happened_at > order.payment_due_at + timedelta(hours=settings.LATE_PAYMENT_HOURS)


def refuse_late(event: WebhookEvent, order: Order) -> Verdict:
    """Make money that came too late due for refund, unless its payment is recorded already."""
    return verdict_on_recorded(event, order) or _make_refund_due(event, order, reason="too_late")


def apply_without_order(event: WebhookEvent) -> Verdict | None:
    """Return the verdict on a payment that staff recorded without an order; None for any other. Locks no order."""
    is_recorded = event.payment_ref is not None and payment_records.find(event) is not None
    return ignore("payment_already_known") if is_recorded else None


def verdict_on_recorded(event: WebhookEvent, order: Order) -> Verdict | None:
    """Return the verdict on a success whose payment is recorded, or is the one that paid the order; else None."""
    payment = payment_records.find(event)
    if payment is not None:
        is_of_order = payment.order_id == order.pk
        return ignore("payment_already_known") if is_of_order else review("payment_of_another_order")
    if order.status == Order.Status.PAID and _is_the_payment_of(event, order):
        return ignore("order_already_paid")
    return None


def _plain(undecided: Iterable[WebhookEvent], facts: Facts) -> list[tuple[WebhookEvent, Order]]:
    """Return the plain successes with their orders.

    At most one for each order and each payment; a payment id is proved across all providers.
    """
    unpaid, recorded, proved = dict(facts.orders), set(facts.recorded), set[str]()
    paid: list[tuple[WebhookEvent, Order]] = []
    for event in undecided:
        is_success = event.kind == WebhookEvent.Kind.SUCCESS
        order = unpaid.pop(event.order_ref, None) if is_success and event.order_ref else None
        proof = facts.proofs.get(event.payment_ref or "")
        is_new = event.payment_key not in recorded and event.payment_ref not in proved
        is_of_another_order = order is None or (proof is not None and proof.order_id != order.pk)
        if order is None or is_of_another_order or not is_new or not _is_plain(event, order, now=facts.now):
            continue
        recorded.add(event.payment_key)
        if event.payment_ref:
            proved.add(event.payment_ref)
        paid.append((event, order))
    return paid


def _is_plain(event: WebhookEvent, order: Order, *, now: datetime) -> bool:
    """Say whether a success pays a locked order, given that its payment is new and proved for no other order."""
    return (
        event.hold_ref in (None, order.hold_id)
        and event.currency in ("", order.currency)
        and event.amount in (None, order.total_amount)
        and order.status_at(now) == Order.Status.PENDING_PAYMENT
    )


def _is_the_payment_of(event: WebhookEvent, order: Order) -> bool:
    """Say whether this success on a paid order may report the payment that paid it.

    It may when it names the order and no payment, or names the one that an API token placed the order with, while the
    event that paid the order named none. Money that only staff gave to the order is other money.
    """
    if event.payment_ref is None:
        return _names(event, order)
    proof = proved_payments.of_order(order.pk).get(event.payment_ref)
    if proof is None or not proof.is_by_token:
        return False
    return Payment.objects.filter(order=order, status=Payment.Status.APPLIED, event__payment_ref__isnull=True).exists()


def _names(event: WebhookEvent, order: Order) -> bool:
    """Say whether every order and hold id of the event is this order's, and it has one of them."""
    order_ref, hold_ref = event.order_ref or order.pk, event.hold_ref or order.hold_id
    has_any = bool(event.order_ref or event.hold_ref)
    return has_any and (order_ref, hold_ref) == (order.pk, order.hold_id)


def _make_refund_due(event: WebhookEvent, order: Order, *, reason: str) -> Verdict:
    """Record money that cannot pay its order."""
    if event.payment_ref:
        orders.prove_payment(order, event.payment_ref)
    payment_records.record(event, order, status=Payment.Status.REFUND_DUE, reason=reason, now=clock.now())
    return applied("refund_due")


def _may_pass_after_reclaim(refusal: Refusal, order: Order) -> bool:
    if isinstance(refusal, LimitExceeded):
        return refusal.may_pass_after_reclaim
    return isinstance(refusal, InsufficientStock) and bool(overdue.count(order.product_id, at=clock.now()))

"""Which payment a buyer's request gets: the one that runs, a new one, or a refusal. Writes nothing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings

from checkout import orders
from checkout.models import Order
from checkout.proved_payments import Proof
from flashsale.core import events
from flashsale.core.refusals import InvalidRequest
from payments import attempt_records
from payments.attempts.refusals import PaymentClosed, PaymentNotPossible, PaymentProviderUnavailable
from payments.models import PaymentAttempt
from payments.providers import PAYMENT_CLIENTS
from payments.providers.payment_client import PaymentClient

Status = PaymentAttempt.Status

# How long a definite refusal of the provider is repeated without asking again.
REFUSAL_SECONDS = 60


@dataclass(frozen=True)
class PaymentRequest:
    """A buyer's request for the payment of an order.

    `may_ask` is called for a new payment: whether this request may ask the provider for it. `request_id` names the HTTP
    request in the log.
    """

    order_id: UUID
    return_url: str = ""
    may_ask: Callable[[], bool] = lambda: True
    request_id: str = field(default_factory=events.request_id)


@dataclass(frozen=True)
class Facts:
    """A locked order with its product, and what else decides whether it may be paid, at database time `read_at`.

    `attempts` are all of its, by number; `waiting` counts the attempts of all orders that are to be made.
    """

    order: Order
    attempts: list[PaymentAttempt]
    proofs: Mapping[str, Proof]
    waiting: int
    read_at: datetime


def pay_until_of(order: Order) -> datetime:
    """Return when an order's payment is closed: some time before its deadline, at most half of its window."""
    window = order.payment_due_at - order.created_at
    return order.payment_due_at - min(timedelta(seconds=settings.PAYMENT_CLOSE_SECONDS), window / 2)


def decide(request: PaymentRequest, facts: Facts) -> PaymentAttempt:
    """Return the running attempt of an order that may be paid, or a new one, which is in no list of the facts.

    Raises `OrderAlreadyPaid`, `OrderNotPending`, `PaymentClosed`, `PaymentNotPossible`, `PaymentProviderUnavailable`,
    and `InvalidRequest` for hosted checkout without `return_url`.
    """
    order, now = facts.order, facts.read_at
    _check_order(order, now)
    if any(one.status == Status.SUCCEEDED for one in facts.attempts):
        # Its money is in the inbox, and not applied yet.
        raise orders.OrderAlreadyPaid
    pay_until = pay_until_of(order)
    running = next((one for one in facts.attempts if one.status in PaymentAttempt.UNENDED), None)
    if now >= pay_until or (running is not None and running.status == Status.CLOSING):
        raise PaymentClosed("The time to pay this order is over.")
    name, client = _enabled_client()
    if running is not None and running.shop_id != settings.SHOP_ID:
        raise PaymentNotPossible("Its payment was made by another shop.")
    if running is not None:
        return running
    if client.kind() == PaymentAttempt.Kind.CHECKOUT_SESSION and not request.return_url:
        raise InvalidRequest(
            "Hosted checkout needs an address to return to.", pointer="#/return_url", error_code="required"
        )
    _check_possible(facts, client)
    _check_backlog(facts.waiting, pay_until - now)
    number = 1 + len(facts.attempts)
    return attempt_records.new(
        order, number=number, client_name=name, return_url=request.return_url, pay_until=pay_until, now=now
    )


def _check_order(order: Order, now: datetime) -> None:
    status = order.status_at(now)
    if status == Order.Status.PAID:
        raise orders.OrderAlreadyPaid
    if status != Order.Status.PENDING_PAYMENT:
        raise orders.OrderNotPending(f"The order is {status}.")


def _enabled_client() -> tuple[str, PaymentClient]:
    for name, client in PAYMENT_CLIENTS.items():
        if client.is_enabled():
            return name, client
    raise PaymentNotPossible("No payment provider is configured for payments by the shop.")


def _check_possible(facts: Facts, client: PaymentClient) -> None:
    """Raise `PaymentNotPossible` when the provider would refuse, has just refused, or another payment is proved."""
    if why_not := client.refusal(facts.order.total_amount, facts.order.currency):
        raise PaymentNotPossible(why_not)
    if set(facts.proofs) - {attempt.payment_id for attempt in facts.attempts}:
        raise PaymentNotPossible("The order has a payment already, which its shop made.")
    last = facts.attempts[-1] if facts.attempts else None
    is_fresh = last is not None and facts.read_at - last.created_at < timedelta(seconds=REFUSAL_SECONDS)
    if last is not None and is_fresh and last.status == Status.FAILED:
        raise PaymentNotPossible("The payment provider refused this payment.")


def _check_backlog(waiting: int, left: timedelta) -> None:
    """Raise `PaymentProviderUnavailable` when so many attempts wait that this one would not be made in time."""
    if waiting > settings.STRIPE_REQUESTS_PER_SECOND * left.total_seconds():
        raise PaymentProviderUnavailable("Too many buyers wait for the payment provider; nothing was stored.")

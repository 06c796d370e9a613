"""A buyer asks for the payment of an order: stored first, then made at the provider, then shown."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings

from catalog.models import Product
from checkout import orders, proved_payments
from checkout.models import Order
from checkout.proved_payments import Proof
from flashsale.core import clock, greenlets, rows
from flashsale.core.refusals import InvalidRequest, NotFound
from flashsale.core.statements import Query, Statement, fetch
from flashsale.core.transactions import retrying_transaction
from payments import attempt_records
from payments.attempt_records import Question
from payments.attempts import asking
from payments.attempts.refusals import PaymentClosed, PaymentNotPossible, PaymentProviderUnavailable
from payments.models import PaymentAttempt
from payments.providers import PAYMENT_CLIENTS
from payments.providers.payment_client import PaymentClient

Status = PaymentAttempt.Status

# How long a definite refusal of the provider is repeated without asking again.
REFUSAL_SECONDS = 60

_WAITING = "SELECT count(*) AS waiting FROM payments_paymentattempt WHERE shop_id = %s AND status = 'creating'"


@dataclass(frozen=True, kw_only=True)
class AttemptView:
    """An attempt at database time `read_at`; `is_new` when it is answered as open for the first time."""

    attempt: PaymentAttempt
    read_at: datetime
    is_new: bool = False

    @property
    def is_open(self) -> bool:
        """Whether it can be paid: its secrets may be shown."""
        return self.attempt.status == Status.OPEN


@dataclass(frozen=True)
class _Facts:
    """A locked order with its product, and what else decides whether it may be paid, at database time `read_at`.

    `attempts` are all of its, by number; `waiting` counts the attempts of all orders that are to be made.
    """

    order: Order
    attempts: list[PaymentAttempt]
    proofs: Mapping[str, Proof]
    waiting: int
    read_at: datetime


@dataclass(frozen=True)
class _Found:
    """An attempt at database time `read_at`, and what this request is to ask the provider about it."""

    attempt: PaymentAttempt
    read_at: datetime
    question: Question | None = None


def request(order_id: UUID, *, return_url: str = "") -> AttemptView:
    """Return the payment of a pending order, made at the provider unless it was before.

    It is `creating` when the provider has not answered yet: ask again. Two requests at once, or a repeated one, get the
    same payment. Raises `NotFound`, `OrderAlreadyPaid`, `OrderNotPending`, `PaymentClosed`, `PaymentNotPossible`,
    `PaymentProviderUnavailable` when nothing was stored, and `InvalidRequest` for hosted checkout without `return_url`.
    """
    started = time.monotonic()
    with asking.entered() as may_ask:
        found = _find_or_add(order_id, return_url, may_ask=may_ask)
        if found.question is not None:
            stored = asking.ask_in_slot(found.question, started=started, is_shown=True)
            return _view(stored.attempt, read_at=stored.read_at, is_first_shown=stored.is_first_shown)
    if found.attempt.status == Status.CREATING:
        asking.ask_in_request(found.attempt.pk)
        return _view(*_read(found.attempt.pk))
    return _view(found.attempt, read_at=found.read_at)


def pay_until_of(order: Order) -> datetime:
    """Return when an order's payment is closed: some time before its deadline, at most half of its window."""
    window = order.payment_due_at - order.created_at
    return order.payment_due_at - min(timedelta(seconds=settings.PAYMENT_CLOSE_SECONDS), window / 2)


@retrying_transaction
def _find_or_add(order_id: UUID, return_url: str, *, may_ask: bool) -> _Found:
    """Return the running attempt of an order that may be paid, or a new one, leased if this request may ask for it."""
    facts = _read_facts(order_id)
    order, now = facts.order, facts.read_at
    _check_order(order, now)
    pay_until = pay_until_of(order)
    running = next((one for one in facts.attempts if one.status in PaymentAttempt.UNENDED), None)
    if now >= pay_until or (running is not None and running.status == Status.CLOSING):
        raise PaymentClosed("The time to pay this order is over.")
    name, client = _enabled_client()
    if running is not None and running.shop_id != settings.SHOP_ID:
        raise PaymentNotPossible("Its payment was made by another shop.")
    if running is not None:
        return _Found(running, now)
    if client.kind() == PaymentAttempt.Kind.CHECKOUT_SESSION and not return_url:
        raise InvalidRequest(
            "Hosted checkout needs an address to return to.", pointer="#/return_url", error_code="required"
        )
    _check_possible(facts, client)
    _check_backlog(facts.waiting, pay_until - now)
    number = 1 + len(facts.attempts)
    attempt = attempt_records.new(
        order, number=number, client_name=name, return_url=return_url, pay_until=pay_until, now=now
    )
    question = asking.lease_for_request(attempt, now=now) if may_ask else None
    attempt_records.add(attempt)
    return _Found(attempt, now, question)


def _read_facts(order_id: UUID) -> _Facts:
    """Lock an order, then read what decides whether it may be paid. Raises `NotFound`."""
    locked, attempts, products, proofs, waiting, now = fetch(
        orders.locking_query([order_id]),
        rows.reading_query(PaymentAttempt, "order_id = %s", [order_id]),
        rows.reading_query(Product, "id = (SELECT product_id FROM checkout_order WHERE id = %s)", [order_id]),
        proved_payments.of_order_query(order_id),
        Query([Statement(_WAITING, [settings.SHOP_ID])], lambda results: int(results[0][0]["waiting"])),
        clock.query(),
    )
    if order_id not in locked:
        raise NotFound(orders.NO_SUCH_ORDER)
    order = locked[order_id]
    [order.product] = products
    return _Facts(order, sorted(attempts, key=lambda one: one.number), proofs, waiting, now)


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


def _check_possible(facts: _Facts, client: PaymentClient) -> None:
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


def _view(attempt: PaymentAttempt, read_at: datetime, *, is_first_shown: bool = False) -> AttemptView:
    """Return what is answered about an attempt; raises what it means when it has ended."""
    if attempt.status == Status.FAILED:
        raise PaymentNotPossible("The payment provider refused this payment.")
    if attempt.status == Status.SUCCEEDED:
        raise orders.OrderAlreadyPaid
    if attempt.status in (Status.CLOSING, Status.CLOSED) or read_at >= attempt.pay_until:
        raise PaymentClosed("This payment was closed.")
    is_unshown = attempt.status == Status.OPEN and attempt.shown_at is None
    is_new = is_first_shown or (is_unshown and attempt_records.mark_shown(attempt.pk))
    return AttemptView(attempt=attempt, read_at=read_at, is_new=is_new)


@greenlets.offloaded
def _read(attempt_id: UUID) -> tuple[PaymentAttempt, datetime]:
    return PaymentAttempt.objects.get(pk=attempt_id), clock.now()

"""A buyer asks for the payment of an order: stored first, then made at the provider, then shown."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet

from checkout import orders, proved_payments
from checkout.models import Order
from flashsale.core import clock, greenlets
from flashsale.core.refusals import InvalidRequest
from flashsale.core.transactions import retrying_transaction
from payments import attempt_records
from payments.attempts import asking
from payments.attempts.refusals import PaymentClosed, PaymentNotPossible, PaymentProviderUnavailable
from payments.models import PaymentAttempt
from payments.providers import PAYMENT_CLIENTS
from payments.providers.payment_client import PaymentClient

Status = PaymentAttempt.Status

# How long a definite refusal of the provider is repeated without asking again.
REFUSAL_SECONDS = 60


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


def request(order_id: UUID, *, return_url: str = "") -> AttemptView:
    """Return the payment of a pending order, made at the provider unless it was before.

    It is `creating` when the provider has not answered yet: ask again. Two requests at once, or a repeated one, get the
    same payment. Raises `NotFound`, `OrderAlreadyPaid`, `OrderNotPending`, `PaymentClosed`, `PaymentNotPossible`,
    `PaymentProviderUnavailable` when nothing was stored, and `InvalidRequest` for hosted checkout without `return_url`.
    """
    attempt = _find_or_add(order_id, return_url)
    if attempt.status == Status.CREATING:
        asking.ask_in_request(attempt.pk)
        attempt = _read(attempt.pk)
    return _view(attempt)


def pay_until_of(order: Order) -> datetime:
    """Return when an order's payment is closed: some time before its deadline, at most half of its window."""
    window = order.payment_due_at - order.created_at
    return order.payment_due_at - min(timedelta(seconds=settings.PAYMENT_CLOSE_SECONDS), window / 2)


@retrying_transaction
def _find_or_add(order_id: UUID, return_url: str) -> PaymentAttempt:
    """Return the running attempt of an order that may be paid, or a new one."""
    order = orders.lock(order_id)
    now = clock.now()
    _check_order(order, now)
    running = _of(order).filter(status__in=PaymentAttempt.UNENDED).first()
    if now >= pay_until_of(order) or (running is not None and running.status == Status.CLOSING):
        raise PaymentClosed("The time to pay this order is over.")
    name, client = _enabled_client()
    if running is not None and running.shop_id != settings.SHOP_ID:
        raise PaymentNotPossible("Its payment was made by another shop.")
    if running is not None:
        return running
    if client.kind() == PaymentAttempt.Kind.CHECKOUT_SESSION and not return_url:
        raise InvalidRequest(
            "Hosted checkout needs an address to return to.", pointer="#/return_url", error_code="required"
        )
    _check_possible(order, client, now)
    _check_backlog(pay_until_of(order) - now)
    return attempt_records.add(order, client_name=name, return_url=return_url, pay_until=pay_until_of(order), now=now)


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


def _check_possible(order: Order, client: PaymentClient, now: datetime) -> None:
    """Raise `PaymentNotPossible` when the provider would refuse, has just refused, or another payment is proved."""
    if why_not := client.refusal(order.total_amount, order.currency):
        raise PaymentNotPossible(why_not)
    own = set(_of(order).exclude(payment_id=None).values_list("payment_id", flat=True))
    if set(proved_payments.of_order(order.pk)) - own:
        raise PaymentNotPossible("The order has a payment already, which its shop made.")
    last = _of(order).order_by("-number").first()
    is_fresh = last is not None and now - last.created_at < timedelta(seconds=REFUSAL_SECONDS)
    if last is not None and is_fresh and last.status == Status.FAILED:
        raise PaymentNotPossible("The payment provider refused this payment.")


def _check_backlog(left: timedelta) -> None:
    """Raise `PaymentProviderUnavailable` when so many attempts wait that this one would not be made in time."""
    waiting = PaymentAttempt.objects.filter(shop_id=settings.SHOP_ID, status=Status.CREATING).count()
    if waiting > settings.STRIPE_REQUESTS_PER_SECOND * left.total_seconds():
        raise PaymentProviderUnavailable("Too many buyers wait for the payment provider; nothing was stored.")


def _view(attempt: PaymentAttempt) -> AttemptView:
    """Return what is answered about an attempt; raises what it means when it has ended."""
    if attempt.status == Status.FAILED:
        raise PaymentNotPossible("The payment provider refused this payment.")
    if attempt.status == Status.SUCCEEDED:
        raise orders.OrderAlreadyPaid
    now = clock.now()
    if attempt.status in (Status.CLOSING, Status.CLOSED) or now >= attempt.pay_until:
        raise PaymentClosed("This payment was closed.")
    is_new = attempt.status == Status.OPEN and attempt.shown_at is None and attempt_records.mark_shown(attempt.pk)
    return AttemptView(attempt=attempt, read_at=now, is_new=is_new)


@greenlets.offloaded
def _read(attempt_id: UUID) -> PaymentAttempt:
    return PaymentAttempt.objects.get(pk=attempt_id)


def _of(order: Order) -> QuerySet[PaymentAttempt]:
    return PaymentAttempt.objects.filter(order=order)

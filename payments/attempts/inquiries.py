"""Asks the provider on request: a buyer comes back from paying, or staff want to know."""

from collections.abc import Sequence
from uuid import UUID

from checkout import orders, proved_payments
from checkout.models import Order
from checkout.orders import OrderView
from flashsale.core import greenlets, redis_client
from payments import inbox
from payments.attempts import asking
from payments.models import PaymentAttempt, WebhookEvent
from payments.providers import PAYMENT_CLIENTS, PROVIDERS

# An order is asked about once within this time, however often it is wanted.
CHECK_SECONDS = 5

_breaker = redis_client.CircuitBreaker(fallback="payments that the shop did not make are not asked about")


def check(order_id: UUID) -> OrderView:
    """Ask the provider about the payment of an order that is not paid, and return the order as it is then known.

    At most once in `CHECK_SECONDS`. Raises `NotFound`.
    """
    view = orders.get(order_id)
    if view.order.status != Order.Status.PAID and ask_now(order_id):
        return orders.get(order_id)
    return view


def ask_now(order_id: UUID) -> bool:
    """Ask about an order's running attempt, else about a payment id that is proved for it; say whether there was any.

    Not within `CHECK_SECONDS` of the last time.
    """
    attempt_id, payment_ids = _to_ask_about(order_id)
    if attempt_id is not None:
        asking.ask_in_request(attempt_id, unless_asked_within=CHECK_SECONDS)
        return True
    return bool(payment_ids) and _is_first_lately(order_id) and _ask_about_payment(payment_ids)


@greenlets.offloaded
def _to_ask_about(order_id: UUID) -> tuple[UUID | None, list[str]]:
    """Return an order's running attempt, else the payment ids that are proved for it, the newest first."""
    running = PaymentAttempt.objects.filter(order=order_id, status__in=PaymentAttempt.UNENDED)
    attempt_id = running.values_list("pk", flat=True).first()
    proved = proved_payments.of_order(order_id)
    return attempt_id, [] if attempt_id else list(reversed(proved))


def _is_first_lately(order_id: UUID) -> bool:
    """Say whether the order's payment was not asked about within `CHECK_SECONDS`; False without Valkey."""
    key = f"flashsale:payment-check:{order_id}"
    return bool(_breaker.call(lambda: redis_client.client().set(key, 1, nx=True, ex=CHECK_SECONDS)))


def _ask_about_payment(payment_ids: Sequence[str]) -> bool:
    """Ask about the first of these payments, which the shop did not make itself; say whether it succeeded.

    The first that has an id as the provider makes them.
    """
    for name, client in PAYMENT_CLIENTS.items():
        payment_id = next(filter(client.makes_such_ids, payment_ids), None)
        if payment_id is not None and client.is_enabled():
            answer = asking.ask_about_payment(client, payment_id)
            if answer is not None and answer.payment is not None and answer.payment.event is not None:
                inbox.take(PROVIDERS[name], answer.payment.event, source=WebhookEvent.Source.ASKED)
                return True
    return False

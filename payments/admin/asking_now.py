"""Staff let the shop ask a provider about an order's payment now."""

import contextlib

from checkout import proved_payments
from checkout.models import Order
from flashsale.core.submissions.once import retrying_transaction_once
from flashsale.core.transactions import Busy
from payments import asking, attempts

# A provider takes up to some seconds to answer for each.
MAX_ORDERS = 10
EFFECT = "What the provider says of its payment is applied as if it had just arrived."


def is_possible(order: Order) -> bool:
    """Say whether a provider may know more of an order than the shop does."""
    if order.status == Order.Status.PAID or not asking.providers():
        return False
    return order.payment_attempts.exists() or bool(proved_payments.of_order(order.pk))


def ask(order: Order, *, note: str) -> None:
    """Ask the provider about an order's payment, unless it was asked within some seconds; the order's page shows it."""
    _record()
    with contextlib.suppress(Busy):
        attempts.ask_now(order.pk)


def describe(order: Order, _: object) -> str:
    """Say what was done; the order itself shows what the provider said."""
    return f"{order}: the provider is asked, unless it was asked just now; the order shows what it said."


@retrying_transaction_once
def _record() -> None:
    """Store, before the provider is asked, that it is."""

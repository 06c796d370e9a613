"""Events about failed payments: they cancel their order, or concern another attempt to pay and change nothing.

Every function runs inside a transaction that holds the event's and the order's row locks.
"""

from checkout import orders, proved_payments
from checkout.models import Order
from payments.inbox.rules.verdicts import Verdict, applied, ignore
from payments.models import WebhookEvent
from payments.providers import PROVIDERS


def apply(event: WebhookEvent, order: Order) -> Verdict:
    """Cancel the order when its own payment failed."""
    if not is_of_the_orders_payment(event, order):
        return ignore("other_payment")
    try:
        orders.mark_cancelled(order)
    except orders.OrderAlreadyPaid:
        return ignore("order_already_paid")
    except orders.OrderNotPending:
        return ignore("order_not_pending")
    return applied("order_cancelled")


def is_of_another_attempt(event: WebhookEvent, order: Order) -> bool:
    """Say whether an attempt to pay failed that is not the order's own payment: whatever its amount, it is ignored."""
    return not PROVIDERS[event.provider].failures_end_orders and not is_of_the_orders_payment(event, order)


def is_of_the_orders_payment(event: WebhookEvent, order: Order) -> bool:
    """Say whether the payment that failed is the order's own: a proved one, or the whole order's."""
    proved = proved_payments.of_order(order.pk)
    if event.payment_ref in proved:
        return True
    is_of_whole_order = event.payment_ref is None or not proved
    return is_of_whole_order and PROVIDERS[event.provider].failures_end_orders

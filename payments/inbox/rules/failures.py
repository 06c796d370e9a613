"""Events about failed payments: they cancel their order, or concern another attempt to pay and change nothing.

The end of a payment that the shop made cancels the order only while that payment can be paid: a closed one was ended by
the shop itself, and of a superseded one nothing follows.

Every function runs inside a transaction that holds the event's and the order's row locks.
"""

from checkout import orders, proved_payments
from checkout.models import Order
from payments.inbox.rules.verdicts import Verdict, applied, ignore
from payments.models import PaymentAttempt, WebhookEvent
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
    attempt = _attempt_of(event, order)
    if attempt is not None:
        return attempt.status == PaymentAttempt.Status.OPEN
    proved = proved_payments.of_order(order.pk)
    if event.payment_ref in proved:
        return True
    is_of_whole_order = event.payment_ref is None or not proved
    return is_of_whole_order and PROVIDERS[event.provider].failures_end_orders


def _attempt_of(event: WebhookEvent, order: Order) -> PaymentAttempt | None:
    """Return the order's attempt that the event is about, by the attempt's id or the payment's."""
    attempts = PaymentAttempt.objects.filter(order=order)
    if event.attempt_ref is not None:
        return attempts.filter(pk=event.attempt_ref).first()
    return attempts.filter(payment_id=event.payment_ref).first() if event.payment_ref else None

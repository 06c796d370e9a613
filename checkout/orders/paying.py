"""Marks orders as paid, in time or late, with the proofs of their payment ids and their refund state.

Decides; `transitions` writes.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from catalog import inventory
from catalog.models import Product
from checkout import limits, proved_payments
from checkout.models import Order
from checkout.orders import transitions
from checkout.orders.refusals import OrderAlreadyPaid, OrderNotPending
from flashsale.core import clock, events


def mark_paid(order: Order, *, payment_id: str | None) -> None:
    """Mark an order, locked by this transaction, as paid and sell its units; it then shows the payment id that paid it.

    An order whose payment window is over is marked as expired first, then as paid if its units are free and the
    customer's limit allows it: it stays expired when this raises. Raises `OrderAlreadyPaid`, `OrderNotPending`
    (cancelled), `InsufficientStock`, `LimitExceeded`.
    """
    now = clock.now()
    status = order.status_at(now)
    if status == Order.Status.PAID:
        raise OrderAlreadyPaid
    if status == Order.Status.CANCELLED:
        raise OrderNotPending("The order is cancelled.")
    if status == Order.Status.PENDING_PAYMENT:
        transitions.pay(order, payment_id=payment_id, now=now)
        inventory.sell(order.product_id, units=order.quantity)
    else:
        _pay_late(order, payment_id=payment_id)
    record_paid(order, late=status != Order.Status.PENDING_PAYMENT)


def mark_all_paid(payments: Sequence[tuple[Order, str | None]], *, now: datetime) -> None:
    """Mark orders, locked by this transaction and pending at `now`, as paid, and sell their units.

    Each order then shows the payment id beside it, which the caller has proved. The caller also calls `record_paid`.
    """
    transitions.pay_all(payments, now=now)
    units: Counter[int] = Counter()
    for order, _ in payments:
        units[order.product_id] += order.quantity
    inventory.sell_all(units)


def record_paid(order: Order, *, late: bool = False) -> None:
    """Log and count, when this transaction is committed, that the order was paid; `late`: after its window."""
    events.record_on_commit(
        "order_paid", order_id=order.pk, product_id=order.product_id, units=order.quantity, late=late
    )


def prove_payment(order: Order, payment_id: str) -> None:
    """Record, for a locked order, that a provider's event which names it brought this payment id.

    The order shows it unless it shows a proved one already.
    """
    proved_payments.prove_by_event(payment_id, order.pk, now=clock.now())
    if order.payment_id not in proved_payments.of_order(order.pk):
        transitions.show_payment(order, payment_id)


def prove_made_payments(made: Sequence[tuple[Order, str]], *, now: datetime) -> None:
    """Record the ids of payments that the shop made for locked orders, which show them unless another payment paid.

    With the COMMIT of a transaction that holds the ids' reference locks and changes nothing else of the orders.
    """
    proved_payments.prove_by_attempts({payment_id: order.pk for order, payment_id in made}, now=now)
    transitions.show_payments_at_commit([one for one in made if one[0].status != Order.Status.PAID])


def set_refund_state(order: Order, *, state: Order.Refund, refunded_amount: Decimal) -> None:
    """Record, for a locked order, whether money is due back and how much was refunded in all."""
    transitions.set_refund(order, state=state, refunded_amount=refunded_amount)


def _pay_late(order: Order, *, payment_id: str | None) -> None:
    """Sell the units of an order whose payment window is over. Raises `InsufficientStock`, `LimitExceeded`."""
    if order.status == Order.Status.PENDING_PAYMENT:
        transitions.expire(order, now=clock.now())
        inventory.release(order.product_id, units=order.quantity)
        events.record_on_commit("orders_expired", order_id=order.pk, product_id=order.product_id, units=order.quantity)
    stock = inventory.lock(order.product_id)
    now = clock.now()
    product = Product.objects.get(pk=order.product_id)
    if product.max_per_customer is not None and order.customer_id:
        claimed = limits.units_of(product.pk, customer_ids=[order.customer_id], now=now)
        limits.check(product, claimed, customer_id=order.customer_id, quantity=order.quantity)
    inventory.sell_unreserved(stock, units=order.quantity)
    transitions.pay(order, payment_id=payment_id, now=now)

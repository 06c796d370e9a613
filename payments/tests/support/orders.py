"""Orders in each of their states, and what an event left in the answer, the counters and the payments."""

from catalog.models import Stock
from checkout import orders
from checkout.models import Order
from checkout.tests.factories import OrderFactory, let_order_pass
from payments.models import Payment
from payments.tests.factories import receive

ANSWER_MEMBERS = {"message", "outcome", "idempotency_key", "order_id", "order_status", "payment_id"}


def outcome(response, status: int, name: str) -> dict:
    """Assert that the event was answered with this status and outcome, and return the body."""
    assert response.status_code == status, response.content
    body = response.json()
    assert set(body) == ANSWER_MEMBERS
    assert body["outcome"] == name
    return body


def money() -> dict[str, str]:
    """Return the status of each recorded payment, by payment id."""
    return dict(Payment.objects.values_list("payment_id", "status"))


def units(product) -> tuple[int, int]:
    """Return the units that are reserved and those that are sold."""
    stock = Stock.objects.get(pk=product.pk)
    return stock.reserved, stock.sold


def make_order(product, state: str) -> Order:
    """Return an order of 2 units in one of its states, made by events as in real life."""
    order = OrderFactory(product=product, quantity=2, payment_id="pay_1")
    if state == "paid":
        receive(order_id=order.pk, payment_id="pay_1", key=f"paid-{order.pk}")
    elif state == "cancelled":
        orders.cancel(order.pk)
    elif state in {"overdue", "expired"}:
        let_order_pass(order)
        if state == "expired":
            orders.expire_due()
    return orders.get(order.pk).order


def payments() -> list[str]:
    """Return the statuses of all payments, sorted."""
    return sorted(Payment.objects.values_list("status", flat=True))

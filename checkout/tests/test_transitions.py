"""Every pair of states: what is allowed happens with the right counters, the rest is refused by name."""

from uuid import uuid4

import pytest

from catalog import inventory
from catalog.models import Stock
from catalog.tests.factories import ProductFactory
from checkout import audit, holds, orders, proved_payments
from checkout.models import Hold, Order
from checkout.tests.factories import HoldFactory, OrderFactory, let_hold_pass, let_order_pass
from flashsale.core.limits import MAX_INTEGER
from flashsale.core.refusals import InvalidRequest, NotFound

HOLD_VERBS = {
    "convert": lambda hold: orders.place(hold_id=hold.pk),
    "release": lambda hold: holds.release(hold.pk),
    "expire": lambda hold: holds.expire_due(),
}
# state, verb -> the refusal or None, the state after it, units reserved after it (of 2).
HOLD_TRANSITIONS = [
    ("active", "convert", None, "converted", 2),
    ("active", "release", None, "released", 0),
    ("active", "expire", None, "active", 2),
    ("overdue", "convert", holds.HoldExpired, "active", 2),
    ("overdue", "release", None, "expired", 0),
    ("overdue", "expire", None, "expired", 0),
    ("converted", "convert", holds.HoldAlreadyUsed, "converted", 2),
    ("converted", "release", holds.HoldAlreadyUsed, "converted", 2),
    ("converted", "expire", None, "converted", 2),
    ("released", "convert", holds.HoldReleased, "released", 0),
    ("released", "release", None, "released", 0),
    ("released", "expire", None, "released", 0),
    ("expired", "convert", holds.HoldExpired, "expired", 0),
    ("expired", "release", None, "expired", 0),
    ("expired", "expire", None, "expired", 0),
]


def mark_paid(order: Order) -> None:
    orders.mark_paid(orders.lock(order.pk), payment_id="pay_1")


ORDER_VERBS = {
    "pay": mark_paid,
    "cancel": lambda order: orders.cancel(order.pk),
    "expire": lambda order: orders.expire_due(),
}
# state, verb -> the refusal or None, the state after it, units (reserved, sold) after it (of 2).
ORDER_TRANSITIONS = [
    ("pending", "pay", None, "paid", (0, 2)),
    ("pending", "cancel", None, "cancelled", (0, 0)),
    ("pending", "expire", None, "pending_payment", (2, 0)),
    ("overdue", "pay", None, "paid", (0, 2)),
    ("overdue", "cancel", orders.OrderNotPending, "pending_payment", (2, 0)),
    ("overdue", "expire", None, "expired", (0, 0)),
    ("paid", "pay", orders.OrderAlreadyPaid, "paid", (0, 2)),
    ("paid", "cancel", orders.OrderAlreadyPaid, "paid", (0, 2)),
    ("paid", "expire", None, "paid", (0, 2)),
    ("cancelled", "pay", orders.OrderNotPending, "cancelled", (0, 0)),
    ("cancelled", "cancel", None, "cancelled", (0, 0)),
    ("cancelled", "expire", None, "cancelled", (0, 0)),
    ("expired", "pay", None, "paid", (0, 2)),
    ("expired", "cancel", orders.OrderNotPending, "expired", (0, 0)),
    ("expired", "expire", None, "expired", (0, 0)),
]


@pytest.fixture(autouse=True)
def clean_books(db):
    yield
    assert audit.find_drift() == []


def hold_in(state: str, product) -> Hold:
    hold = HoldFactory(product=product, quantity=2)
    if state in {"overdue", "expired"}:
        let_hold_pass(hold)
    if state in {"converted", "released", "expired"}:
        HOLD_VERBS[{"converted": "convert", "released": "release", "expired": "expire"}[state]](hold)
    return hold


def order_in(state: str, product) -> Order:
    order = OrderFactory(product=product, quantity=2)
    if state in {"overdue", "expired"}:
        let_order_pass(order)
    if state in {"paid", "cancelled", "expired"}:
        ORDER_VERBS[{"paid": "pay", "cancelled": "cancel", "expired": "expire"}[state]](order)
    return order


@pytest.mark.parametrize(("state", "verb", "refusal", "after", "reserved"), HOLD_TRANSITIONS)
def test_every_verb_on_a_hold_in_every_state(product, state, verb, refusal, after, reserved):
    hold = hold_in(state, product)

    if refusal:
        with pytest.raises(refusal):
            HOLD_VERBS[verb](hold)
    else:
        HOLD_VERBS[verb](hold)

    assert Hold.objects.get().status == after
    assert Stock.objects.get().reserved == reserved


@pytest.mark.parametrize(("state", "verb", "refusal", "after", "counters"), ORDER_TRANSITIONS)
def test_every_verb_on_an_order_in_every_state(product, state, verb, refusal, after, counters):
    order = order_in(state, product)

    if refusal:
        with pytest.raises(refusal):
            ORDER_VERBS[verb](order)
    else:
        ORDER_VERBS[verb](order)

    stock = Stock.objects.get()
    assert Order.objects.get().status == after
    assert (stock.reserved, stock.sold) == counters


def test_a_late_payment_is_refused_when_the_units_are_gone(product):
    order = order_in("expired", product)
    HoldFactory(product=product, quantity=9)

    with pytest.raises(inventory.InsufficientStock):
        mark_paid(order)

    assert Order.objects.get().status == "expired"
    assert Stock.objects.get().sold == 0


@pytest.mark.parametrize(("paid_by", "shown"), [("pay_2", "pay_2"), (None, "pay_0")])
def test_a_paid_order_shows_the_payment_that_paid_it_where_that_is_known(product, paid_by, shown):
    order = OrderFactory(product=product, payment_id="pay_0")

    orders.mark_paid(orders.lock(order.pk), payment_id=paid_by)

    assert orders.get(order.pk).order.payment_id == shown


def test_an_order_that_is_not_paid_keeps_showing_its_first_proved_payment(product):
    order = OrderFactory(product=product)

    for payment_id in ("pay_1", "pay_2"):
        orders.prove_payment(orders.lock(order.pk), payment_id)

    assert orders.get(order.pk).order.payment_id == "pay_1"
    assert set(proved_payments.of_order(order.pk)) == {"pay_1", "pay_2"}


@pytest.mark.parametrize("verb", [holds.release, holds.get, orders.cancel, orders.get])
def test_what_does_not_exist_is_not_found(db, verb):
    with pytest.raises(NotFound):
        verb(uuid4())


@pytest.mark.parametrize(("delta", "total"), [(5, 15), (-4, 6)])
def test_stock_is_adjusted_with_a_reason(product, admin_user, delta, total):
    HoldFactory(product=product, quantity=4)

    adjustment = inventory.adjust(product_id=product.pk, delta=delta, reason="Recount", made_by=admin_user)

    assert Stock.objects.get().total == adjustment.total_after == total
    assert (adjustment.delta, adjustment.reason, adjustment.made_by) == (delta, "Recount", admin_user)


def test_stock_is_not_adjusted_below_what_is_committed():
    product = ProductFactory(stock=10)
    HoldFactory(product=product, quantity=4)

    with pytest.raises(inventory.StockBelowCommitments) as refused:
        inventory.adjust(product_id=product.pk, delta=-7, reason="Recount")

    assert refused.value.extra == {"total": 10, "reserved": 4, "sold": 0, "committed": 4}
    assert Stock.objects.get().total == 10


@pytest.mark.parametrize(
    ("given", "refusal"),
    [({"delta": MAX_INTEGER}, InvalidRequest), ({"delta": 1, "expected_total": 9}, inventory.StockChanged)],
)
def test_stock_is_not_adjusted_beyond_counting_or_from_another_total(product, given, refusal):
    with pytest.raises(refusal):
        inventory.adjust(product_id=product.pk, reason="Recount", **given)

    assert Stock.objects.get().total == 10

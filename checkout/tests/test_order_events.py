"""Every way through an order's life leaves an event of each state, in the order of the states."""

import json

import pytest

from checkout import orders
from checkout.models import Order
from checkout.orders import paying
from checkout.orders.requests import OrderRequest
from checkout.serializers import OrderOut
from checkout.tests.factories import HoldFactory, OrderFactory, let_order_pass
from flashsale.core import clock
from flashsale.core.transactions import retrying_transaction
from payments.tests.factories import receive

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def read(new_events):
    """Returns a function that reads the events after those that were read before."""
    return new_events


def stories(events):
    """Return what happened to each order: the type, the status before and after."""
    found = {}
    for event in events:
        data = event["data"]
        found.setdefault(data["order_id"], []).append((event["type"], data["previous_status"], data["status"]))
    return found


PLACED = ("order.placed", None, "pending_payment")


def test_an_order_that_is_placed_and_paid(hold, read):
    order = orders.place(hold_id=hold.pk, metadata={"cart": "C-1042"})
    receive(order_id=order.pk, payment_id="pay_1")

    placed, paid = read()

    assert stories([placed, paid]) == {str(order.pk): [PLACED, ("order.paid", "pending_payment", "paid")]}
    expected = json.loads(json.dumps(OrderOut.data_of(orders.get(order.pk)), default=str))
    assert paid["data"] == expected | {"previous_status": "pending_payment", "late": False}
    assert paid["sequence"] > placed["sequence"]


def test_an_order_whose_payment_arrived_before_it(hold, read):
    receive(hold_id=hold.pk, payment_id="pay_1")
    order = orders.place(hold_id=hold.pk, payment_id="pay_1")

    assert stories(read()) == {str(order.pk): [PLACED, ("order.paid", "pending_payment", "paid")]}


def test_an_order_that_is_cancelled(order, read):
    orders.cancel(order.pk)
    orders.cancel(order.pk)

    assert stories(read()) == {str(order.pk): [("order.cancelled", "pending_payment", "cancelled")]}


def test_orders_that_expire_together(product, read):
    overdue = [OrderFactory(product=product) for _ in range(3)]
    for order in overdue:
        let_order_pass(order)
    read()

    orders.expire_due()

    assert stories(read()) == {str(order.pk): [("order.expired", "pending_payment", "expired")] for order in overdue}


@pytest.mark.parametrize("is_swept", [True, False])
def test_an_order_that_is_paid_late_expires_first(order, read, is_swept):
    let_order_pass(order)
    if is_swept:
        orders.expire_due()

    receive(order_id=order.pk, payment_id="pay_1")

    events = read()
    assert stories(events) == {
        str(order.pk): [("order.expired", "pending_payment", "expired"), ("order.paid", "expired", "paid")]
    }
    assert events[1]["data"]["late"] is True


def test_a_batch_leaves_an_event_for_each_of_its_orders(product, read):
    holds = [HoldFactory(product=product) for _ in range(3)]
    views = orders.place_batch([OrderRequest(hold_id=hold.pk, payment_id=None, key=None) for hold in holds])
    ids = [view.order.pk for view in views]

    @retrying_transaction
    def pay_all():
        locked = [orders.lock(order_id) for order_id in sorted(ids)]
        paying.mark_all_paid([(order, None) for order in locked], now=clock.now())

    pay_all()

    assert stories(read()) == {str(pk): [PLACED, ("order.paid", "pending_payment", "paid")] for pk in ids}


def test_what_is_rolled_back_leaves_no_event(order, read):
    class Undone(Exception):
        pass

    @retrying_transaction
    def cancel_and_fail():
        orders.mark_cancelled(orders.lock(order.pk))
        raise Undone

    with pytest.raises(Undone):
        cancel_and_fail()

    assert read() == []
    assert Order.objects.get().status == "pending_payment"


def test_an_event_tells_the_state_of_its_commit(order, read):
    orders.cancel(order.pk)
    Order.objects.filter(pk=order.pk).delete()

    [event] = read()

    assert event["data"]["status"] == "cancelled"

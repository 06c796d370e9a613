"""Orders that are placed together are what each would be alone."""

from types import SimpleNamespace
from uuid import uuid4

import pytest
from django.db import connection

from catalog.tests.factories import ProductFactory
from checkout import audit, holds, orders
from checkout.idempotency import IdempotencyKey
from checkout.models import Order
from checkout.orders import OrderRequest, batching
from checkout.tests.factories import HoldFactory, let_hold_pass
from flashsale.core.batching import is_fault_or_lock_timeout, process_or_isolate
from flashsale.core.refusals import Refusal
from flashsale.tests.support.racing import at_once, counts, other_connection

pytestmark = pytest.mark.django_db(transaction=True)


def order_requests(product) -> dict[str, OrderRequest]:
    """Requests of every kind that may come together, by what is special about them."""
    ordered, released, late = (HoldFactory(product=product) for _ in range(3))
    orders.place(hold_id=ordered.pk, payment_id=(taken := f"pay_{uuid4().hex}"), is_payment_id_proved=True)
    holds.release(released.pk)
    let_hold_pass(late)
    known = IdempotencyKey(client="", key=uuid4().hex, body_hash="same")
    orders.place(hold_id=HoldFactory(product=product).pk, key=known)
    return {
        "plain": OrderRequest(hold_id=HoldFactory(product=product).pk),
        "with a payment id": OrderRequest(hold_id=HoldFactory(product=product).pk, payment_id=f"pay_{uuid4().hex}"),
        "with a key": OrderRequest(
            hold_id=HoldFactory(product=product).pk, key=IdempotencyKey(client="", key=uuid4().hex, body_hash="new")
        ),
        "ordered": OrderRequest(hold_id=ordered.pk),
        "released": OrderRequest(hold_id=released.pk),
        "late": OrderRequest(hold_id=late.pk),
        "unknown": OrderRequest(hold_id=uuid4()),
        "a payment id that is taken": OrderRequest(hold_id=HoldFactory(product=product).pk, payment_id=taken),
        "repeated": OrderRequest(hold_id=uuid4(), key=known),
    }  # fmt: skip


def told(result) -> tuple:
    """What a request for an order was answered."""
    if isinstance(result, Refusal):
        return type(result).__name__, None, None
    return "Order", result.status, result.is_replayed


def test_each_order_of_a_batch_is_what_it_would_be_alone():
    product = ProductFactory(stock=100)
    alone, together = order_requests(product), order_requests(product)

    expected = {name: told(orders.place_batch([request])[0]) for name, request in alone.items()}
    results = orders.place_batch(list(together.values()))

    assert dict(zip(together, map(told, results), strict=True)) == expected
    assert {kind for kind, _, _ in expected.values()} == {
        "Order", "HoldAlreadyUsed", "HoldReleased", "HoldExpired", "NotFound", "PaymentIdInUse",
    }  # fmt: skip
    assert audit.find_drift() == []


def test_requests_with_the_same_hold_payment_or_key_are_never_in_one_batch():
    first = OrderRequest(hold_id=uuid4(), payment_id="pay_1", key=IdempotencyKey(client="", key="k", body_hash=""))

    assert not batching._conflicts_with_none(OrderRequest(hold_id=first.hold_id), [first])
    assert not batching._conflicts_with_none(OrderRequest(hold_id=uuid4(), payment_id="pay_1"), [first])
    assert not batching._conflicts_with_none(
        OrderRequest(hold_id=uuid4(), key=IdempotencyKey(client="", key="k", body_hash="x")), [first]
    )
    assert batching._conflicts_with_none(OrderRequest(hold_id=uuid4()), [first])


def test_a_hold_that_stays_locked_fails_no_other_order():
    product = ProductFactory(stock=100)
    requests = [OrderRequest(hold_id=HoldFactory(product=product).pk) for _ in range(3)]
    with other_connection() as blocker, connection.cursor() as cursor:
        blocker.execute("SELECT 1 FROM checkout_hold WHERE id = %s FOR UPDATE", [requests[1].hold_id])
        cursor.execute("SET lock_timeout = '100ms'")
        results = process_or_isolate(
            batching._process,
            None,
            SimpleNamespace(requests=requests, admit=list),
            isolates=is_fault_or_lock_timeout,
        )
    connection.close()

    assert [type(result).__name__ for result in results] == ["OrderView", "OperationalError", "OrderView"]
    assert Order.objects.count() == 2
    assert audit.find_drift() == []


def test_a_crowd_orders_each_hold_once():
    product = ProductFactory(stock=100)
    made = [HoldFactory(product=product) for _ in range(10)]

    results = at_once(*(lambda pk=hold.pk: orders.submit(hold_id=pk) for hold in made for _ in range(3)))

    assert counts(results) == {"OrderView": 10, "HoldAlreadyUsed": 20}
    assert Order.objects.count() == 10
    assert audit.find_drift() == []

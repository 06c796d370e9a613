"""The statistics of a product over the back office API."""

from datetime import UTC, datetime, timedelta

import pytest

from catalog import inventory
from checkout import orders
from checkout.models import Hold, Order, RefusalCount
from checkout.tests.factories import HoldFactory, OrderFactory
from flashsale.tests.support.problems import problem_of

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
MINUTE = {"from": "2026-11-20T12:00:00Z", "to": "2026-11-20T14:01:00+02:00"}


def test_a_sale_is_told_in_numbers(erp, product):
    order = OrderFactory(product=product, quantity=3)
    orders.mark_paid(orders.lock(order.pk), payment_id=None)
    HoldFactory(product=product, quantity=7)
    Hold.objects.update(created_at=NOON)
    Order.objects.update(created_at=NOON + timedelta(seconds=12))
    RefusalCount.objects.create(product=product, code="insufficient_stock", began_at=NOON, seconds=60, claims=9)

    found = erp.get(f"/products/{product.pk}/statistics", {**MINUTE, "step": 10}).json()

    assert (found["product_id"], found["from"], found["to"]) == (
        product.pk, "2026-11-20T12:00:00Z", "2026-11-20T12:01:00Z",
    )  # fmt: skip
    nothing = {
        "placed": 0, "holds_released": 0, "holds_expired": 0, "refused": {}, "ordered": 0, "paid": 0, "cancelled": 0,
        "expired": 0, "units_sold": 0, "revenue": [],
    }  # fmt: skip
    held = {"placed": 2, "refused": {"insufficient_stock": 9}}
    sold = {
        "ordered": 1, "paid": 1, "units_sold": 3,
        "revenue": [{"amount": "89.97", "refunded": "0.00", "currency": "USD"}],
    }  # fmt: skip
    assert found["totals"] == nothing | held | sold
    assert [point["at"][11:19] for point in found["series"]] == [f"12:00:{second}0" for second in range(6)]
    assert found["series"][0] == nothing | held | {"at": "2026-11-20T12:00:00Z"}
    assert found["series"][1] == nothing | sold | {"at": "2026-11-20T12:00:10Z"}
    assert (found["step_seconds"], found["time_to_sell_out_seconds"]) == (10, 0.0)


def test_without_parameters_it_is_the_whole_sale_in_one(erp, product):
    HoldFactory(product=product)
    inventory.adjust(product_id=product.pk, delta=1, reason="Delivery")

    found = erp.get(f"/products/{product.pk}/statistics").json()

    assert (found["totals"]["placed"], found["series"], found["step_seconds"]) == (1, None, None)
    assert found["time_to_sell_out_seconds"] is None


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({**MINUTE, "step": "7"}, "#query/step"),
        ({"from": MINUTE["from"], "to": "2026-11-20T12:16:41Z", "step": "1"}, "#query/step"),
        ({"from": MINUTE["to"], "to": MINUTE["from"]}, "#query/to"),
        ({"from": "2026-11-20"}, "#query/from"),
        ({"since": MINUTE["from"]}, "#query/since"),
    ],
)
def test_a_period_that_cannot_be_counted_is_refused(erp, product, query, pointer):
    problem = problem_of(erp.get(f"/products/{product.pk}/statistics", query), 400, "invalid")

    assert [fault["pointer"] for fault in problem["errors"]] == [pointer]

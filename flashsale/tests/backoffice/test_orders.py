"""Orders in the back office: found by exact filters, and cancelled."""

from datetime import timedelta

import pytest

from catalog.models import Stock
from catalog.tests.factories import ProductFactory
from checkout.models import Order
from checkout.tests.factories import OrderFactory, let_order_pass
from flashsale.core.submissions.models import TokenAction
from flashsale.tests.support.contract import members_of
from flashsale.tests.support.problems import problem_of
from payments import refunds
from payments.tests.factories import receive

LIST = "/orders"


@pytest.fixture
def sold(db) -> dict[str, Order]:
    """An order of each kind by name, placed in this order."""
    product, other = ProductFactory(stock=50), ProductFactory(stock=50)
    found = {
        "pending": OrderFactory(product=product, customer_id="alice"),
        "overdue": OrderFactory(product=product, customer_id="bob"),
        "expired": OrderFactory(product=other),
        "cancelled": OrderFactory(product=other, payment_id="pay_claimed"),
        "paid": OrderFactory(product=product, quantity=2, customer_id="alice"),
        "due": OrderFactory(product=product, quantity=2),
        "done": OrderFactory(product=product),
    }
    for name in ("paid", "due", "done"):
        receive(order_id=found[name].pk, payment_id=f"pay_{name}")
    for name in ("due", "done"):
        refunds.request(found[name].pk, staff=None, note="Arrived late")
    receive(status="refunded", order_id=found["done"].pk, payment_id="pay_done")
    receive(status="failed", order_id=found["cancelled"].pk)
    Order.objects.filter(pk=found["expired"].pk).update(status="expired", closed_at=found["expired"].payment_due_at)
    let_order_pass(found["overdue"])
    return found


def shown(erp, sold, query) -> list[str]:
    names = {str(order.pk): name for name, order in sold.items()}
    return [names[one["order_id"]] for one in erp.get(LIST, query).json()["results"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, {"pending", "overdue", "expired", "cancelled", "paid", "due", "done"}),
        ({"status": "pending_payment"}, {"pending"}),
        ({"status": "expired"}, {"overdue", "expired"}),
        ({"status": "cancelled"}, {"cancelled"}),
        ({"status": "paid"}, {"paid", "due", "done"}),
        ({"refund": "due"}, {"due"}),
        ({"refund": "done"}, {"done"}),
        ({"customer_id": "alice"}, {"pending", "paid"}),
        ({"customer_id": "alice", "status": "paid"}, {"paid"}),
        ({"customer_id": "ali"}, set()),
        ({"payment_id": "pay_paid"}, {"paid"}),
        ({"payment_id": "pay_claimed"}, {"cancelled"}),
        ({"payment_id": "pay_"}, set()),
        ({"product_id": 987_654}, set()),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else " ".join(sorted(value)),
)
def test_filters_are_exact_and_a_status_is_the_one_that_is_shown(erp, sold, query, expected):
    results = shown(erp, sold, query)

    assert set(results) == expected
    assert len(results) == len(expected)


def test_a_list_has_the_storefronts_orders_newest_first(erp, api, sold):
    page = erp.get(LIST, {"product_id": sold["pending"].product_id}).json()

    times = [one["created_at"] for one in page["results"]]
    assert times == sorted(times, reverse=True)
    assert {name for one in page["results"] for name in one} == members_of("Order")
    for one in page["results"]:
        assert one == api.get(f"/api/v1/orders/{one['order_id']}").json()


def test_a_period_begins_inclusive_and_ends_exclusive(erp, sold):
    middle = Order.objects.get(pk=sold["cancelled"].pk).created_at

    def found(**period) -> list[str]:
        return shown(erp, sold, {name: time.isoformat() for name, time in period.items()})

    assert "cancelled" in found(created_from=middle)
    assert "cancelled" not in found(created_to=middle)
    assert found(created_from=middle, created_to=middle + timedelta(microseconds=1)) == ["cancelled"]


def test_pages_of_two_kinds_of_expired_orders_are_one_list(erp, sold):
    pages = [erp.get(LIST, {"status": "expired", "limit": 1}).json()]
    pages.append(erp.get(pages[0]["next"]).json())

    found = {one["order_id"] for page in pages for one in page["results"]}
    assert found == {str(sold["overdue"].pk), str(sold["expired"].pk)}
    assert pages[1]["next"] is None


def test_cancelling_gives_the_units_back_once(erp, order):
    problem_of(erp.post(f"/orders/{order.pk}/cancel", {"note": "  "}), 400, "invalid")

    answer = erp.post(f"/orders/{order.pk}/cancel", {"note": "Asked by mail"})
    again = erp.post(f"/orders/{order.pk}/cancel", {"note": "Asked twice"})

    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    assert (again.status_code, again.json()["status"]) == (200, "cancelled")
    assert TokenAction.objects.count() == 1
    assert Stock.objects.get().reserved == 0


def test_a_paid_order_and_an_unknown_one_are_not_cancelled(erp, order):
    receive(order_id=order.pk, payment_id="pay_1")

    problem_of(erp.post(f"/orders/{order.pk}/cancel", {"note": "x"}), 409, "order_already_paid")
    problem_of(erp.post(f"/orders/{order.product_id}/cancel", {"note": "x"}), 404, "not_found")
    problem_of(erp.post(f"/orders/{order.hold_id}/cancel", {"note": "x"}), 404, "not_found")

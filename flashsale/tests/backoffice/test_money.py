"""An order with its money, refunds through the API, and the list of payments."""

from decimal import Decimal

import pytest
from rest_framework_api_key.models import APIKey

from checkout.models import Order
from checkout.tests.factories import OrderFactory
from flashsale.tests.support.admin import admin_url, decide
from flashsale.tests.support.backoffice import BackofficeClient
from flashsale.tests.support.contract import assert_described
from flashsale.tests.support.problems import problem_of
from flashsale.tests.support.racing import Meeting, at_once, replace, without_row_locks
from payments import payment_records, refunds
from payments.models import Payment, RefundRequest
from payments.tests.factories import receive

KEY = "0123456789abcdef"


@pytest.fixture
def paid(order) -> Payment:
    """The payment of 59.98 USD that bought two units."""
    receive(order_id=order.pk, payment_id="pay_1")
    return Payment.objects.get()


def ask(erp, paid, **wanted):
    return erp.post(f"/orders/{paid.order_id}/refunds", {"note": "Arrived late", **wanted})


def test_a_refund_becomes_due_and_an_event_gives_it_back(erp, paid, admin_client):
    answer = ask(erp, paid, amount="20.00", restock_units=1)
    APIKey.objects.all().delete()
    receive(status="refunded", order_id=paid.order_id, payment_id="pay_1", amount="20.00")

    assert answer.status_code == 202
    assert_described(answer.json(), "RecordedPayment")
    assert answer.json()["due_amount"] == "20.00"
    assert [one["requested_by"] for one in answer.json()["refunds"]] == ["API token ERP"]
    paid.refresh_from_db()
    assert (paid.refunded_amount, paid.amount_due) == (Decimal(20), 0)
    page = admin_client.get(admin_url(Order, "change", paid.order_id)).text
    assert "API token ERP: Refund of 20.00 USD requested, 1 unit put back on sale. Note: Arrived late" in page


def test_an_order_is_told_in_full(erp, paid, api):
    ask(erp, paid, amount="20.00")

    order = erp.get(f"/orders/{paid.order_id}").json()

    assert_described(order, "OrderInFull")
    assert order | api.get(f"/api/v1/orders/{paid.order_id}").json() == order
    assert order["hold"] == api.get(f"/api/v1/holds/{order['hold_id']}").json()
    [payment], [event] = order["payments"], order["events"]
    assert payment == erp.get(f"/payments/{paid.pk}").json()
    assert (payment["amount"], payment["due_amount"], payment["status"]) == ("59.98", "20.00", "applied")
    assert (event["payment_id"], event["status"], event["reason"]) == ("pay_1", "applied", "order_paid")
    assert [(one["by"], one["text"]) for one in order["history"]] == [
        ("API token ERP", "Refund of 20.00 USD requested. Note: Arrived late")
    ]


@pytest.mark.parametrize(
    ("wanted", "code", "members"),
    [
        ({"amount": "59.99"}, "refund_too_large", {"paid": "59.98", "refunded": "0.00", "due": "0.00"}),
        ({"restock_units": 3}, "restock_too_large", {"quantity": 2, "restocked": 0}),
        ({"amount": "0"}, "nothing_to_refund", {}),
    ],
    ids=str,
)
def test_too_much_is_refused_with_the_numbers(erp, paid, wanted, code, members):
    problem = problem_of(ask(erp, paid, **wanted), 409, code)

    assert problem | members == problem
    assert not RefundRequest.objects.exists()


@pytest.mark.parametrize(
    ("wanted", "pointer"),
    [
        ({"amount": 20}, "#/amount"), ({"amount": "20.0000"}, "#/amount"), ({"amount": "-1"}, "#/amount"),
        ({"amount": "1e1"}, "#/amount"), ({"amount": " 1"}, "#/amount"), ({"amount": "20.001"}, "#/amount"),
        ({"amount": "NaN"}, "#/amount"), ({"amuont": "20.00"}, "#/amuont"), ({"restock_units": -1}, "#/restock_units"),
        ({"restock_units": 1.0}, "#/restock_units"), ({"payment": "pay_1"}, "#/payment"), ({"note": ""}, "#/note"),
        ({"note": "  "}, "#/note"),
    ],
    ids=str,
)  # fmt: skip
def test_a_refund_that_is_misspelt_is_none(erp, paid, wanted, pointer):
    problem = problem_of(ask(erp, paid, **wanted), 400, "invalid")

    assert [fault["pointer"] for fault in problem["errors"]] == [pointer]
    assert not RefundRequest.objects.exists()


def test_another_payment_of_the_order_is_refunded_by_its_id(erp, paid, product):
    other = OrderFactory(product=product)
    receive(order_id=other.pk, payment_id="pay_other")
    of_other = Payment.objects.get(payment_id="pay_other")

    problem_of(ask(erp, paid, payment=of_other.pk), 404, "not_found")
    problem_of(ask(erp, paid, payment=of_other.pk + 1), 404, "not_found")
    assert ask(erp, paid, payment=paid.pk).json()["due_amount"] == "59.98"


def test_an_order_that_was_never_paid_has_nothing_to_refund(erp, order):
    answer = erp.post(f"/orders/{order.pk}/refunds", {"note": "x"})

    problem_of(answer, 409, "order_not_paid")


def test_a_repeated_refund_is_one(erp, paid):
    answers = [erp.post(f"/orders/{paid.order_id}/refunds", {"note": "x", "amount": amount}, key=KEY)
               for amount in ("20.00", "20.0")]  # fmt: skip

    assert answers[0].content == answers[1].content
    assert answers[1].headers["Idempotent-Replayed"] == "true"
    paid.refresh_from_db()
    assert paid.amount_due == 20


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_locked", [True, False], ids=["", "control"])
def test_asked_for_by_the_api_and_staff_at_once_money_goes_back_once(
    erp, paid, new_admin_client, is_locked, monkeypatch
):
    """Control: without row locks both ask for all of it."""
    staff = new_admin_client()
    if not is_locked:
        without_row_locks(monkeypatch, Order, Payment)
    replace(monkeypatch, payment_records.lock, Meeting(2).after(payment_records.lock))

    at_once(
        lambda: ask(erp, paid),
        lambda: decide(staff, paid.order, "refund", note="Arrived late", **{"amount": "59.98"}),
    )

    assert [one.amount for one in RefundRequest.objects.all()] == [Decimal("59.98")] * (1 if is_locked else 2)


def test_payments_are_listed_by_status(erp, paid, product):
    done = OrderFactory(product=product)
    receive(order_id=done.pk, payment_id="pay_done")
    refunds.request(done.pk, staff=None, note="x")
    receive(status="refunded", order_id=done.pk, payment_id="pay_done")
    twice = receive(order_id=done.pk, payment_id="pay_twice")

    def listed(**query) -> list[str]:
        return [one["payment_id"] for one in erp.get("/payments", query).json()["results"]]

    assert twice.event.status == "applied"
    assert listed() == ["pay_twice", "pay_done", "pay_1"]
    assert listed(status="applied") == ["pay_1"]
    assert listed(status="refunded") == ["pay_done"]
    assert listed(status="refund_due") == ["pay_twice"]
    problem_of(erp.get("/payments", {"status": "due"}), 400, "invalid")
    problem_of(erp.get("/payments/0"), 404, "not_found")


def test_a_token_for_orders_sees_no_list_of_payments(db, paid):
    orders_only = BackofficeClient("orders:read", name="orders")

    assert problem_of(orders_only.get("/payments"), 403, "scope_missing")["scope"] == "payments:read"
    assert orders_only.get(f"/orders/{paid.order_id}").status_code == 200

"""Amounts of webhooks, also tiny, long and huge ones: compared exactly."""

import pytest

from catalog.tests.factories import ProductFactory
from checkout import audit
from checkout.models import Order
from checkout.tests.factories import OrderFactory
from payments.models import Payment, WebhookEvent
from payments.tests.factories import PATH

# The exponent is beyond what Decimal can represent.
FAR = "1e99999999999999999999"


def pay(api, order: Order, amount: str) -> dict:
    """Send a success whose amount is written like this; returns the answer."""
    body = f'{{"idempotency_key": "evt_1", "status": "success", "order_id": "{order.pk}", "amount": {amount}}}'
    response = api.generic("POST", PATH, body.encode(), content_type="application/json")
    assert response.status_code == 200, response.content
    return response.json()


@pytest.mark.parametrize(
    "amount", ["1e-9999999", "1e-999999999999", "59.98" + "0" * 30 + "1", "1e21", "5998e-3", "1e400", FAR, "9" * 5_000]
)
def test_an_absurd_amount_needs_review(api, order, amount):
    assert pay(api, order, amount)["outcome"] == "needs_review"

    assert not Payment.objects.exists()
    assert bytes(WebhookEvent.objects.get().body).decode().endswith(f"{amount}}}")
    assert audit.find_drift() == []


@pytest.mark.parametrize("amount", ["59.98", "59.980", '"59.980000000"', "5998e-2", "5.998e1", "59.98" + "0" * 60])
def test_an_amount_may_be_written_in_many_ways(api, order, amount):
    assert pay(api, order, amount)["outcome"] == "applied"


@pytest.mark.parametrize("number", ["9" * 5_000, FAR, f"-{FAR}", "1e-99999999999999999999"])
def test_a_huge_number_in_an_unknown_member_is_ignored(api, order, number):
    assert pay(api, order, f'"59.98", "points": {number}')["order_status"] == "paid"


def test_the_amount_of_the_largest_order_is_right(api, db):
    units = 2**31 - 1
    product = ProductFactory(price="99999999999.99", stock=units, max_per_hold=units)
    order = OrderFactory(product=product, quantity=units)

    assert pay(api, order, f'"{order.total_amount}"')["order_status"] == "paid"

"""Amounts of webhooks as providers write them: tiny, long and huge ones, compared exactly."""

from decimal import Decimal

import pytest
from django.urls import reverse
from django.utils import timezone

from catalog.tests.factories import ProductFactory
from checkout import audit
from checkout.models import Order
from checkout.tests.factories import OrderFactory
from flashsale.core.staff.admin import money_column
from payments.models import Dispute, Payment, WebhookEvent
from payments.tests.factories import PATH, receive

# Beyond what Decimal can tell apart.
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
def test_an_amount_that_nobody_can_have_meant_needs_review(api, order, amount):
    assert pay(api, order, amount)["outcome"] == "needs_review"

    assert not Payment.objects.exists()
    assert bytes(WebhookEvent.objects.get().body).decode().endswith(f"{amount}}}")
    assert audit.find_drift() == []


@pytest.mark.parametrize("amount", ["59.98", "59.980", '"59.980000000"', "5998e-2", "5.998e1", "59.98" + "0" * 60])
def test_an_amount_may_be_written_in_many_ways(api, order, amount):
    assert pay(api, order, amount)["outcome"] == "applied"


@pytest.mark.parametrize("number", ["9" * 5_000, FAR, f"-{FAR}", "1e-99999999999999999999"])
def test_a_number_that_nobody_asked_for_is_no_obstacle(api, order, number):
    assert pay(api, order, f'"59.98", "points": {number}')["order_status"] == "paid"


@pytest.mark.parametrize("number", ["9" * 5_000, FAR])
def test_a_quantity_that_long_is_invalid(api, product, number):
    body = f'{{"product_id": {product.pk}, "quantity": {number}}}'

    response = api.generic("POST", "/api/v1/holds", body.encode(), content_type="application/json")

    assert (response.status_code, response.json()["errors"][0]["pointer"]) == (400, "#/quantity")


def test_the_amount_of_the_largest_order_is_right(api, db):
    units = 2**31 - 1
    product = ProductFactory(price="99999999999.99", stock=units, max_per_hold=units)
    order = OrderFactory(product=product, quantity=units)

    assert pay(api, order, f'"{order.total_amount}"')["order_status"] == "paid"


@pytest.mark.parametrize(
    ("amount", "currency", "shown"),
    [
        ("12000.000", "JPY", "12000 JPY"), ("29.990", "USD", "29.99 USD"), ("1.250", "KWD", "1.250 KWD"),
        ("29.990", "JPY", "29.99 JPY"), ("29.991", "USD", "29.991 USD"), ("5.000", "ZZZ", "5 ZZZ"),
    ],
)  # fmt: skip
def test_staff_are_shown_an_amount_in_its_currencys_decimals_and_never_rounded(amount, currency, shown):
    payment = Payment(payment_id="pay_1", amount=Decimal(amount), currency=currency, status="applied")

    assert money_column("amount")(payment) == shown
    assert str(payment) == f"pay_1: {shown}, applied"


@pytest.mark.parametrize(("amount", "currency"), [(None, ""), (None, "USD"), (Decimal("5"), "")])
def test_a_dispute_whose_amount_is_not_known_is_listed(admin_client, order, amount, currency):
    receive(order_id=order.pk, payment_id="pay_1")
    now = timezone.now()
    Dispute.objects.create(
        payment=Payment.objects.get(),
        dispute_id="dp_1", amount=amount, currency=currency, status="open", created_at=now, as_of=now,
    )  # fmt: skip

    for page in ("changelist", "export"):
        assert admin_client.get(reverse(f"admin:payments_dispute_{page}")).status_code == 200

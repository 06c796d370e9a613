"""Amounts in the admin: in the decimals of their currency, never rounded."""

from decimal import Decimal

import pytest
from django.urls import reverse
from django.utils import timezone

from flashsale.core.staff.columns import money_column
from payments.models import Dispute, Payment
from payments.tests.factories import receive


@pytest.mark.parametrize(
    ("amount", "currency", "shown"),
    [
        ("12000.000", "JPY", "12000 JPY"), ("29.990", "USD", "29.99 USD"), ("1.250", "KWD", "1.250 KWD"),
        ("29.990", "JPY", "29.99 JPY"), ("29.991", "USD", "29.991 USD"), ("5.000", "ZZZ", "5 ZZZ"),
    ],
)  # fmt: skip
def test_an_amount_is_shown_in_its_currencys_decimals_and_never_rounded(amount, currency, shown):
    payment = Payment(payment_id="pay_1", amount=Decimal(amount), currency=currency, status="applied")

    assert money_column("amount")(payment) == shown
    assert str(payment) == f"pay_1: {shown}"


@pytest.mark.parametrize(("amount", "currency"), [(None, ""), (None, "USD"), (Decimal("5"), "")])
def test_a_dispute_without_an_amount_is_listed(admin_client, order, amount, currency):
    receive(order_id=order.pk, payment_id="pay_1")
    now = timezone.now()
    Dispute.objects.create(
        payment=Payment.objects.get(),
        dispute_id="dp_1", amount=amount, currency=currency, status="open", created_at=now, as_of=now,
    )  # fmt: skip

    for page in ("changelist", "export"):
        assert admin_client.get(reverse(f"admin:payments_dispute_{page}")).status_code == 200

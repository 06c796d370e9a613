"""What the orders that exist have proved: an id with a known payment, or brought by a token; any other is a claim."""

from importlib import import_module

import pytest
from django.db import connection

from checkout import orders
from checkout.idempotency import IdempotencyKey
from checkout.models import ProvedPaymentId
from checkout.tests.factories import HoldFactory, OrderFactory
from payments.tests.factories import receive

MIGRATION = import_module("payments.migrations.0005_prove_known_payments")


@pytest.fixture
def stored(product) -> dict:
    """Orders of the version before, which kept no proofs."""
    paid, unnamed = OrderFactory(product=product), OrderFactory(product=product)
    receive(order_id=paid.pk, payment_id="pay_known")
    receive(order_id=unnamed.pk, key="evt_unnamed")
    key = IdempotencyKey(client="abcdefgh", key="k" * 16, body_hash="")
    by_token = orders.place(hold_id=HoldFactory(product=product).pk, payment_id="pay_token", key=key)
    orders.place(hold_id=HoldFactory(product=product).pk, payment_id="pay_claimed")
    ProvedPaymentId.objects.all().delete()
    return {"pay_known": (paid.pk, "event"), "pay_token": (by_token.pk, "token")}


def test_what_was_proved_before_is_proved_afterwards_however_often_it_runs(stored):
    for _ in range(2):
        with connection.cursor() as cursor:
            cursor.execute(MIGRATION.BY_PAYMENT)
            cursor.execute(MIGRATION.BY_TOKEN)

    rows = ProvedPaymentId.objects.values_list("payment_id", "order_id", "proved_by")
    assert {payment_id: (order_id, by) for payment_id, order_id, by in rows} == stored

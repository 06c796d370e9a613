"""The audit: it reports counters that disagree with holds and orders, and changes nothing."""

from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection

from catalog.models import Stock
from checkout import tasks
from checkout.tests.factories import HoldFactory
from flashsale.tests.support.commands import run
from payments.tests.factories import receive


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE catalog_stock SET reserved = reserved + 1",
        "UPDATE catalog_stock SET sold = sold + 1",
        "UPDATE catalog_stock SET reserved = reserved - 1",
        "UPDATE checkout_hold SET quantity = quantity + 1 WHERE status = 'active'",
        "UPDATE checkout_order SET status = 'cancelled', closed_at = now(), paid_at = NULL",
    ],
)
def test_the_audit_finds_drift_and_repairs_nothing(product, order, caplog, damage):
    HoldFactory(product=product)
    receive(order_id=order.pk, payment_id="pay_1")
    assert "The books are right" in run("audit_stock")
    with connection.cursor() as cursor:
        cursor.execute(damage)
    before = Stock.objects.values().get()

    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("audit_stock", stdout=out)
    tasks.audit_stock()

    assert ended.value.code == 1
    assert f"drift: product {product.pk}" in out.getvalue()
    assert "stock_drift" in caplog.text
    assert Stock.objects.values().get() == before

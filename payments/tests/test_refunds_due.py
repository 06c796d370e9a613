"""`manage.py refunds_due`, also called `payments_due`."""

import pytest

from checkout import orders
from flashsale.tests.support.commands import run
from payments.tests.factories import receive


@pytest.mark.parametrize("name", ["payments_due", "refunds_due"])
def test_refunds_due_lists_the_payments_to_give_back(order, name):
    orders.cancel(order.pk)
    receive(order_id=order.pk, payment_id="pay_1")

    lines = run(name).splitlines()

    assert len(lines) == 2
    assert lines[1].split("\t")[:4] == ["pay_1", str(order.pk), "59.98", "USD"]

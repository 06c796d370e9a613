"""The limit per customer holds at a deadline: who looked before it and who looks after it count the same units."""

import threading
import time
from datetime import timedelta

import pytest

from catalog.tests.factories import ProductFactory
from checkout import audit, holds, limits, orders
from checkout.models import Hold
from checkout.tests.factories import HoldFactory
from flashsale.core import clock
from flashsale.tests.racing import JOIN_SECONDS, at_once, counts

pytestmark = pytest.mark.django_db(transaction=True)


def _a_claim_comes_while_the_customers_last_hold_is_ordered_at_its_deadline(monkeypatch) -> list:
    product = ProductFactory(stock=10, max_per_customer=2)
    hold = HoldFactory(product=product, quantity=2, customer_id="ada")
    now = clock.now()
    Hold.objects.update(created_at=now, expires_at=now + timedelta(seconds=0.4))
    convert, is_decided = holds.convert, threading.Event()

    def convert_slowly(ordered, *, now) -> None:
        is_decided.set()
        # The deadline passes, and whoever comes then waits for this row, or does not see it.
        time.sleep(1)
        convert(ordered, now=now)

    def claim_after_the_deadline() -> Hold:
        is_decided.wait(JOIN_SECONDS)
        time.sleep(0.5)
        return holds.place(product_id=product.pk, quantity=2, customer_id="ada")

    monkeypatch.setattr(holds, "convert", convert_slowly)
    return at_once(lambda: orders.place(hold_id=hold.pk), claim_after_the_deadline)


def test_the_customers_limit_holds_at_a_holds_deadline(monkeypatch):
    results = _a_claim_comes_while_the_customers_last_hold_is_ordered_at_its_deadline(monkeypatch)

    assert counts(results) == {"Order": 1, "LimitExceeded": 1}
    assert audit.find_drift() == []


def test_control_if_overdue_units_did_not_count_a_customer_would_pass_the_limit_there(monkeypatch):
    units_of = limits.units_of

    def without_overdue(*args, **more):
        claimed = units_of(*args, **more)
        return limits.Claimed(claimed.units - claimed.overdue)

    monkeypatch.setattr(limits, "units_of", without_overdue)
    results = _a_claim_comes_while_the_customers_last_hold_is_ordered_at_its_deadline(monkeypatch)

    assert counts(results) == {"Order": 1, "Hold": 1}

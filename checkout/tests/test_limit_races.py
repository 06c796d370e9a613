"""The limit per customer holds at a deadline: transactions that read the clock before and after it count the same."""

import dataclasses
import threading
from datetime import datetime, timedelta

import pytest

from catalog import inventory
from catalog.inventory import LockedProduct
from catalog.tests.factories import ProductFactory
from checkout import audit, holds, limits, orders
from checkout.models import Hold
from checkout.tests.factories import HoldFactory
from flashsale.core import clock
from flashsale.tests.support.processes import WAIT_SECONDS, wait_until
from flashsale.tests.support.racing import at_once, blocked, counts

pytestmark = pytest.mark.django_db(transaction=True)


def _a_claim_comes_while_the_customers_last_hold_is_ordered_at_its_deadline(monkeypatch) -> list:
    product = ProductFactory(stock=10, max_per_customer=2)
    hold = HoldFactory(product=product, quantity=2, customer_id="ada")
    convert, is_decided, has_looked = holds.convert, threading.Event(), threading.Event()
    claimant: list[int] = []
    now, lock = clock.now, inventory.lock_for_claims

    def of_this_thread(moment: datetime) -> datetime:
        """Return the time as the claim sees it: after the hold's deadline, and before its order's."""
        return moment + timedelta(minutes=5) if threading.get_ident() in claimant else moment

    def lock_late(product_id: int) -> LockedProduct:
        locked = lock(product_id)
        return dataclasses.replace(locked, read_at=of_this_thread(locked.read_at))

    def convert_slowly(ordered, *, now) -> None:
        is_decided.set()
        # Until the claim waits for this row, or has not seen it.
        wait_until(lambda: blocked() or has_looked.is_set(), what="the claim has looked")
        convert(ordered, now=now)

    def claim_after_the_deadline() -> Hold:
        assert is_decided.wait(WAIT_SECONDS)
        claimant.append(threading.get_ident())
        try:
            return holds.place(product_id=product.pk, quantity=2, customer_id="ada")
        finally:
            has_looked.set()

    monkeypatch.setattr(clock, "now", lambda: of_this_thread(now()))
    monkeypatch.setattr(inventory, "lock_for_claims", lock_late)
    monkeypatch.setattr(holds, "convert", convert_slowly)
    return at_once(lambda: orders.place(hold_id=hold.pk), claim_after_the_deadline)


def test_the_customers_limit_holds_at_a_holds_deadline(monkeypatch):
    results = _a_claim_comes_while_the_customers_last_hold_is_ordered_at_its_deadline(monkeypatch)

    assert counts(results) == {"Order": 1, "LimitExceeded": 1}
    assert audit.find_drift() == []


def test_control_if_overdue_units_did_not_count_the_limit_would_be_exceeded(monkeypatch):
    units_of = limits.units_of

    def without_overdue(*args, **more):
        claimed = units_of(*args, **more)
        return limits.CustomerUnits(claimed.units - claimed.overdue)

    monkeypatch.setattr(limits, "units_of", without_overdue)
    results = _a_claim_comes_while_the_customers_last_hold_is_ordered_at_its_deadline(monkeypatch)

    assert counts(results) == {"Order": 1, "Hold": 1}

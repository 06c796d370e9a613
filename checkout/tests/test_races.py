"""Races over real connections: units are sold once, and every loser gets a named refusal."""

import functools

import pytest
from django.db import DataError

from catalog import inventory
from catalog.models import Stock
from catalog.tests.factories import ProductFactory
from checkout import audit, holds, limits, orders, proved_payments
from checkout.holds import ending
from checkout.models import Hold, Order, ProvedPaymentId
from checkout.tests.factories import HoldFactory, OrderFactory, let_hold_pass, let_order_pass
from flashsale.core import transactions
from flashsale.tests.support.racing import (
    Meeting,
    at_once,
    counts,
    replace,
    times,
    without_advisory_locks,
    without_row_locks,
)

pytestmark = pytest.mark.django_db(transaction=True)


def units(product) -> tuple[int, int]:
    stock = Stock.objects.get(pk=product.pk)
    return stock.reserved, stock.sold


@pytest.mark.parametrize(("wanting", "stock"), [(50, 10), (25, 20)])
def test_no_more_units_are_granted_than_there_are(wanting, stock):
    product = ProductFactory(stock=stock)

    results = at_once(*times(wanting, lambda: holds.place(product_id=product.pk, quantity=1)))

    assert counts(results) == {"Hold": stock, "InsufficientStock": wanting - stock}
    assert units(product) == (stock, 0)
    assert audit.find_drift() == []


def test_mixed_quantities_never_exceed_the_stock():
    product = ProductFactory(stock=40)
    quantities = [1, 2, 3, 5, 7] * 8

    results = at_once(*(lambda q=q: holds.place(product_id=product.pk, quantity=q) for q in quantities))

    granted = sum(hold.quantity for hold in results if isinstance(hold, Hold))
    refused = [q for q, result in zip(quantities, results, strict=True) if not isinstance(result, Hold)]
    assert set(counts(results)) == {"Hold", "InsufficientStock"}
    assert 40 - granted < min(refused)
    assert units(product) == (granted, 0)
    assert audit.find_drift() == []


def _two_claims_of_ten_units(monkeypatch, *, quantity: int) -> list:
    product = ProductFactory(stock=10)
    monkeypatch.setattr(inventory, "lock_for_claims", Meeting(2).after(inventory.lock_for_claims))
    return at_once(*times(2, lambda: holds.place(product_id=product.pk, quantity=quantity)))


def test_o11_two_claims_for_the_last_units_meet_one_after_the_other(monkeypatch):
    results = _two_claims_of_ten_units(monkeypatch, quantity=6)

    assert counts(results) == {"Hold": 1, "InsufficientStock": 1}
    assert audit.find_drift() == []


def test_control_without_the_stock_lock_both_claims_are_granted_until_the_constraint_stops_one(monkeypatch):
    without_row_locks(monkeypatch, Stock)

    assert counts(_two_claims_of_ten_units(monkeypatch, quantity=6)) == {"Hold": 1, "IntegrityError": 1}


def test_a3_a_claim_that_waits_for_the_lock_is_not_refused_as_sold_out(monkeypatch):
    assert counts(_two_claims_of_ten_units(monkeypatch, quantity=5)) == {"Hold": 2}
    assert audit.find_drift() == []


def _two_claims_of_one_customer(monkeypatch) -> list:
    product = ProductFactory(stock=10, max_per_customer=2)
    monkeypatch.setattr("checkout.limits.check", Meeting(2).before(limits.check))
    claim = {"product_id": product.pk, "quantity": 2, "customer_id": "ann"}
    return at_once(*times(2, lambda: holds.place(**claim)))


def test_the_customers_limit_holds_for_parallel_claims(monkeypatch):
    assert counts(_two_claims_of_one_customer(monkeypatch)) == {"Hold": 1, "LimitExceeded": 1}


def test_control_without_the_stock_lock_a_customer_passes_the_limit(monkeypatch):
    without_row_locks(monkeypatch, Stock)

    assert counts(_two_claims_of_one_customer(monkeypatch)) == {"Hold": 2}


def test_twenty_orders_of_one_hold_make_one_order():
    hold = HoldFactory(quantity=2)

    results = at_once(*times(20, lambda: orders.place(hold_id=hold.pk)))

    assert counts(results) == {"Order": 1, "HoldAlreadyUsed": 19}
    assert {str(r.extra["order_id"]) for r in results if not isinstance(r, Order)} == {str(Order.objects.get().pk)}
    assert audit.find_drift() == []


def _orders_with_one_payment_id(count: int, *, is_proved: bool) -> list:
    product = ProductFactory(stock=20)
    ids = [HoldFactory(product=product).pk for _ in range(count)]
    place = functools.partial(orders.place, payment_id="pay_1", is_payment_id_proved=is_proved)
    return at_once(*(functools.partial(place, hold_id=pk) for pk in ids))


def test_twenty_orders_with_one_proved_payment_id_make_one_order():
    results = _orders_with_one_payment_id(20, is_proved=True)

    assert counts(results) == {"Order": 1, "PaymentIdInUse": 19}
    assert audit.find_drift() == []


def test_control_without_the_lock_on_the_payment_id_a_second_proof_hits_the_unique_key(monkeypatch):
    without_advisory_locks(monkeypatch)
    monkeypatch.setattr(proved_payments, "query", Meeting(2).after_query(proved_payments.query))

    assert counts(_orders_with_one_payment_id(2, is_proved=True)) == {"Order": 1, "IntegrityError": 1}


def test_any_number_of_orders_may_claim_one_payment_id():
    assert counts(_orders_with_one_payment_id(5, is_proved=False)) == {"Order": 5}
    assert not ProvedPaymentId.objects.exists()


def _order_and_release(monkeypatch) -> list:
    hold = HoldFactory(quantity=2)
    replace(monkeypatch, holds.locking_query, Meeting(2).after_query(holds.locking_query))
    return at_once(lambda: orders.place(hold_id=hold.pk), lambda: holds.release(hold.pk))


def test_ordering_and_releasing_one_hold_ends_it_once(monkeypatch):
    ordered, released = _order_and_release(monkeypatch)

    assert (type(ordered).__name__, type(released).__name__) in {
        ("Order", "HoldAlreadyUsed"),
        ("HoldReleased", "NoneType"),
    }
    assert audit.find_drift() == []


def test_control_without_the_hold_lock_the_loser_gets_a_fault_instead_of_a_refusal(monkeypatch):
    without_row_locks(monkeypatch, Hold)

    assert "StaleHoldError" in counts(_order_and_release(monkeypatch))


def _two_sweepers(monkeypatch) -> list:
    product = ProductFactory(stock=10)
    for _ in range(5):
        let_hold_pass(HoldFactory(product=product))
    monkeypatch.setattr(inventory, "release", Meeting(2).before(inventory.release))
    return at_once(holds.expire_due, holds.expire_due)


def test_o7_two_sweepers_at_once_release_units_once(monkeypatch):
    results = _two_sweepers(monkeypatch)

    assert sum(results) == 5
    assert Stock.objects.get().reserved == 0
    assert audit.find_drift() == []


def test_a_sweeper_that_fails_between_expiring_and_releasing_did_neither(monkeypatch):
    let_hold_pass(HoldFactory(quantity=2))
    monkeypatch.setattr(inventory, "_ADD", f"SELECT 1 / 0; {inventory._ADD}")

    with pytest.raises(DataError):
        holds.expire_due()

    assert Hold.objects.get().status == "active"
    assert audit.find_drift() == []


def test_control_without_the_hold_lock_two_sweepers_expire_the_same_holds(monkeypatch):
    without_row_locks(monkeypatch, Hold)
    monkeypatch.setattr(ending, "_EXPIRE", ending._EXPIRE.replace("AND hold.status = 'active'", ""))

    assert counts(_two_sweepers(monkeypatch)) == {"int": 1, "IntegrityError": 1}


def _a_sweeper_comes_while_a_hold_is_ordered(monkeypatch) -> list:
    hold = HoldFactory(quantity=2)
    let_hold_pass(hold)
    convert, meeting = holds.convert, Meeting(2)

    def convert_just_in_time(ordered, *, now) -> None:
        convert(ordered, now=now)
        meeting.wait()
        # Until the sweeper is done, or waits for this row.
        meeting.wait()

    def sweep() -> int:
        meeting.wait()
        expired = holds.expire_due()
        meeting.wait()
        return expired

    monkeypatch.setattr(holds, "refusal_to_convert", lambda hold, *, now: None)
    monkeypatch.setattr(holds, "convert", convert_just_in_time)
    return at_once(lambda: orders.place(hold_id=hold.pk), sweep)


def test_o6_a_sweeper_leaves_a_hold_that_became_an_order_alone(monkeypatch):
    ordered, expired = _a_sweeper_comes_while_a_hold_is_ordered(monkeypatch)

    assert (type(ordered), expired) == (Order, 0)
    assert Hold.objects.get().status == "converted"
    assert audit.find_drift() == []


def test_control_without_the_hold_lock_a_sweeper_releases_ordered_units(monkeypatch):
    without_row_locks(monkeypatch, Hold)
    monkeypatch.setattr(ending, "_EXPIRE", ending._EXPIRE.replace("AND hold.status = 'active'", ""))

    assert _a_sweeper_comes_while_a_hold_is_ordered(monkeypatch)[1] == 1
    assert Hold.objects.get().status == "expired"
    assert audit.find_drift() != []


# The races below have no controls of their own: chance decides what meets. Each lock has one above.


def test_expiry_racing_with_ordering_never_releases_ordered_units():
    product = ProductFactory(stock=20)
    made = [HoldFactory(product=product) for _ in range(20)]
    for hold in made[::2]:
        let_hold_pass(hold)

    results = at_once(*(lambda pk=hold.pk: orders.place(hold_id=pk) for hold in made), *times(3, holds.expire_due))

    assert counts(results[:20]) == {"Order": 10, "HoldExpired": 10}
    # A sweeper skips holds that a refused order had locked; the next one expires them.
    assert sum(results[20:]) + holds.expire_due() == 10
    assert units(product) == (10, 0)
    assert audit.find_drift() == []


def test_several_claims_reclaim_the_same_overdue_units_once():
    product = ProductFactory(stock=10)
    for _ in range(5):
        let_hold_pass(HoldFactory(product=product))
        let_order_pass(OrderFactory(product=product))

    results = at_once(
        *times(10, lambda: holds.place(product_id=product.pk, quantity=2)), holds.expire_due, orders.expire_due
    )

    assert counts(results[:10]) == {"Hold": 5, "InsufficientStock": 5}
    assert units(product) == (10, 0)
    assert audit.find_drift() == []


def test_sweepers_over_several_products_and_claims_do_not_deadlock(monkeypatch):
    # A deadlock is not retried here, so that it shows.
    monkeypatch.setattr(transactions, "MAX_ATTEMPTS", 1)
    products = [ProductFactory(stock=20) for _ in range(3)]
    for product in products:
        for _ in range(5):
            let_hold_pass(HoldFactory(product=product))
            let_order_pass(OrderFactory(product=product))
    claims = [lambda p=p: holds.place(product_id=p.pk, quantity=2) for p in products for _ in range(4)]

    results = at_once(*claims, *times(3, holds.expire_due), *times(3, orders.expire_due))

    assert set(counts(results)) == {"Hold", "int"}
    assert audit.find_drift() == []


def _releases_in_opposite_orders(monkeypatch) -> list:
    monkeypatch.setattr(transactions, "MAX_ATTEMPTS", 1)
    low, high = (ProductFactory(stock=10).pk for _ in range(2))
    Stock.objects.update(reserved=2)

    @transactions.retrying_transaction
    def release(*product_ids: int) -> None:
        for product_id in product_ids:
            inventory.release(product_id, units=1)

    return at_once(lambda: release(low, high), lambda: release(high, low))


def test_stocks_are_written_in_one_order_whatever_the_order_of_the_calls(monkeypatch):
    assert _releases_in_opposite_orders(monkeypatch) == [None, None]
    assert set(Stock.objects.values_list("reserved", flat=True)) == {0}


def test_control_written_in_the_order_of_the_calls_they_deadlock(monkeypatch):
    meeting = Meeting(2)

    def write_now(change) -> None:
        transactions.defer_to_commit(change)
        transactions.flush_deferred()
        meeting.wait()

    monkeypatch.setattr(inventory, "defer_to_commit", write_now)

    assert counts(_releases_in_opposite_orders(monkeypatch)) == {"NoneType": 1, "OperationalError": 1}


def test_o12_a_sweeper_takes_no_more_than_its_batch():
    product = ProductFactory(stock=10)
    for _ in range(7):
        let_hold_pass(HoldFactory(product=product))

    results = at_once(*times(2, lambda: holds.expire_due(limit=3)))

    assert results == [3, 3]
    assert Hold.objects.filter(status="active").count() == 1
    assert audit.find_drift() == []


def test_cancelling_twice_and_expiring_releases_units_once():
    product = ProductFactory(stock=10)
    made = [OrderFactory(product=product) for _ in range(6)]
    for order in made[::2]:
        let_order_pass(order)

    at_once(*(lambda pk=order.pk: orders.cancel(pk) for order in made for _ in range(2)), *times(2, orders.expire_due))

    # A sweeper skips rows that a refused cancellation had locked; the next one expires them.
    orders.expire_due()
    assert units(product) == (0, 0)
    assert audit.find_drift() == []


@pytest.mark.parametrize("advisory", [True, False], ids=["", "even without the locks on references"])
def test_one_hold_makes_one_order(monkeypatch, advisory):
    if not advisory:
        without_advisory_locks(monkeypatch)
    hold = HoldFactory()

    results = at_once(*times(8, lambda: orders.place(hold_id=hold.pk)))

    assert counts(results)["Order"] == 1
    assert Order.objects.count() == 1
    assert audit.find_drift() == []

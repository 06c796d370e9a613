"""Readers of events learn when a product sells out and when it is back, by a change or by the time."""

from datetime import timedelta

import pytest
from django.db.models import F

from catalog import inventory, products, stock_announcements
from catalog.models import StockAnnouncement
from catalog.tests.factories import ProductFactory
from checkout import holds
from checkout.tests.factories import HoldFactory, let_hold_pass
from flashsale.tests.support.outbox import types_of
from flashsale.tests.support.racing import other_connection
from flashsale.tests.support.wire import traffic

pytestmark = pytest.mark.django_db(transaction=True)

SOLD_OUT, BACK = "product.sold_out", "product.back_in_stock"


@pytest.fixture
def scarce(transactional_db):
    """A published product with 2 units."""
    return ProductFactory(stock=2)


def let_interval_pass():
    past = stock_announcements.BACK_IN_STOCK_INTERVAL + timedelta(seconds=1)
    StockAnnouncement.objects.update(back_in_stock_at=F("back_in_stock_at") - past)


def test_a_product_sells_out_and_is_back(scarce, new_events):
    ProductFactory(stock=5)
    hold = HoldFactory(product=scarce, quantity=2)
    sold_out = new_events(SOLD_OUT, BACK)
    unchanged = new_events()
    holds.release(hold.pk)
    back = new_events()

    assert types_of(sold_out) == [SOLD_OUT]
    assert unchanged == []
    assert types_of(back) == [BACK]
    members = ("id", "available_stock", "is_sold_out", "sale_status")
    assert [sold_out[0]["data"][name] for name in members] == [scarce.pk, 0, True, "sold_out"]
    assert [back[0]["data"][name] for name in members] == [scarce.pk, 2, False, "live"]


def test_units_are_back_as_soon_as_their_hold_is_overdue(scarce, new_events):
    hold = HoldFactory(product=scarce, quantity=2)
    new_events()

    let_hold_pass(hold)

    [back] = new_events()
    assert (back["type"], back["data"]["available_stock"]) == (BACK, 2)


def test_a_product_is_back_at_most_once_in_an_interval(scarce, new_events):
    for _ in range(3):
        holds.release(HoldFactory(product=scarce, quantity=2).pk)
        new_events()
    for _ in range(3):
        hold = HoldFactory(product=scarce, quantity=2)
        made = new_events()
        holds.release(hold.pk)
        made += new_events()
    assert made == []
    let_interval_pass()

    assert types_of(new_events()) == [BACK]


def test_products_that_customers_do_not_see_are_not_announced(new_events):
    hidden, empty = products.add_unpublished(name="A", price=1, currency="USD", stock=0), ProductFactory(stock=0)
    inventory.adjust(product_id=empty.pk, delta=1, reason="Delivery")
    never_empty = new_events(SOLD_OUT, BACK)
    products.publish(hidden.pk)

    assert never_empty == []
    [sold_out] = new_events(SOLD_OUT, BACK)
    assert (sold_out["type"], sold_out["data"]["id"]) == (SOLD_OUT, hidden.pk)


def test_a_product_that_staff_are_editing_is_announced_afterwards_without_waiting(scarce, new_events):
    HoldFactory(product=scarce, quantity=2)
    with other_connection() as editor:
        editor.execute("SELECT FROM catalog_product WHERE id = %s FOR NO KEY UPDATE", [scarce.pk])
        meanwhile = new_events(SOLD_OUT)

    assert meanwhile == []
    assert types_of(new_events()) == [SOLD_OUT]


def test_units_that_come_back_during_the_comparison_are_not_announced_as_sold_out(scarce, new_events, monkeypatch):
    HoldFactory(product=scarce, quantity=2)
    find = stock_announcements._locked

    def release_after(product_ids):
        found = find(product_ids)
        with other_connection() as other:
            other.execute("UPDATE catalog_stock SET reserved = 0")
        return found

    monkeypatch.setattr(stock_announcements, "_locked", release_after)

    assert new_events(SOLD_OUT, BACK) == []
    assert not StockAnnouncement.objects.exists()


def test_a_comparison_that_finds_nothing_is_one_statement(scarce, new_events):
    with traffic() as compared:
        stock_announcements.announce()

    assert compared.statements == 1

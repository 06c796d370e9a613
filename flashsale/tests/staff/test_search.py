"""Search in big lists: by whole ids and by the short ones that pages show, each answered by an index."""

import uuid

import pytest
from django.contrib.admin import site
from django.db.models import Q

from checkout.models import Order
from checkout.tests.factories import OrderFactory
from flashsale.core.identifiers import uuid_range
from flashsale.core.staff.big_tables import BigTableAdmin
from flashsale.core.staff.search import MAX_FOUND, IndexedSearchMixin, has_uuid

ID = uuid.UUID("8a757a3a-0d3c-4f5e-9a1b-2c3d4e5f6071")


class OrderSearch(IndexedSearchMixin, BigTableAdmin):
    def look_ups(self, text):
        if named := has_uuid(text):
            yield Order.objects.filter(named)
        yield Order.objects.filter(payment_id=text)


def found(text: str) -> list[Order]:
    rows, may_have_duplicates = OrderSearch(Order, site).get_search_results(None, Order.objects.all(), text)
    assert not may_have_duplicates
    return list(rows)


@pytest.mark.parametrize(
    "text", [str(ID), ID.hex, "8a757a3a", "8A757A3A", "8a757a3a-0d3c", "8a757a3a, 2 x Widget, ann"]
)
def test_a_uuid_is_found_by_its_whole_id_its_short_one_and_the_rows_name(text):
    low, high = uuid_range(text.partition(",")[0])

    assert low <= ID <= high
    assert has_uuid(text) == Q(pk__gte=low, pk__lte=high)


@pytest.mark.parametrize("text", ["", "8a757a3", "8a757a3g", "x", f"{ID}0", "evt_8a757a3a", "٨a757a3a"])
def test_other_text_is_no_uuid(text):
    assert uuid_range(text) is None
    assert has_uuid(text) is None


def test_rows_are_found_by_each_look_up_and_no_others(product):
    order, other = OrderFactory(product=product, payment_id="pay_1"), OrderFactory(product=product)

    assert found(str(order.pk)) == found(f" {order.pk.hex[:8]} ") == found(str(order)) == found("pay_1") == [order]
    assert set(found("")) == {order, other}
    assert found("pay") == found("PAY_1") == found("1") == []


@pytest.mark.parametrize("text", ["x" * 300, "pay_1\x00", "%", "' OR 1=1", "…"])
def test_any_text_is_answered(order, text):
    assert found(text) == []


def test_a_search_that_finds_too_much_shows_the_first(monkeypatch, product):
    monkeypatch.setattr("flashsale.core.staff.search.MAX_FOUND", 2)
    for _ in range(3):
        OrderFactory(product=product)
    monkeypatch.setattr(OrderSearch, "look_ups", lambda self, text: [Order.objects.all(), Order.objects.all()])

    assert MAX_FOUND > 2
    assert len(found("anything")) == 2

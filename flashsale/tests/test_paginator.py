"""Big tables are counted only so far, and still reached to their end."""

from checkout.models import Hold
from checkout.tests.factories import HoldFactory
from flashsale.core.admin import CappedPaginator


def paginator(rows: int, product, monkeypatch) -> CappedPaginator:
    monkeypatch.setattr(CappedPaginator, "MOST_COUNTED", 4)
    for _ in range(rows):
        HoldFactory(product=product)
    return CappedPaginator(Hold.objects.order_by("pk"), per_page=2)


def test_few_rows_are_counted(product, monkeypatch):
    assert paginator(3, product, monkeypatch).count == 3


def test_of_many_rows_every_page_is_reached(product, monkeypatch):
    pages = paginator(5, product, monkeypatch)

    assert pages.count > 1_000_000
    assert [len(pages.page(number)) for number in (1, 2, 3)] == [2, 2, 1]
    assert not pages.page(4).has_next()

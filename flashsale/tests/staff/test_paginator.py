"""Counts of big tables are capped, and every page is still reachable."""

import re

import pytest
from django.contrib.admin import site

from checkout.models import Hold
from checkout.tests.factories import HoldFactory
from flashsale.core.staff.big_tables import CappedPaginator
from flashsale.tests.support.admin import admin_url


def paginator(rows: int, product, monkeypatch) -> CappedPaginator:
    monkeypatch.setattr(CappedPaginator, "MAX_COUNTED", 4)
    for _ in range(rows):
        HoldFactory(product=product)
    return CappedPaginator(Hold.objects.order_by("pk"), per_page=2)


def test_a_small_table_is_counted_exactly(product, monkeypatch):
    assert paginator(3, product, monkeypatch).count == 3


def test_of_many_rows_every_page_is_reached(product, monkeypatch):
    pages = paginator(5, product, monkeypatch)

    assert pages.count > 1_000_000
    assert [len(pages.page(number)) for number in (1, 2, 3)] == [2, 2, 1]
    assert not pages.page(4).has_next()


def test_an_exact_count_is_shown_as_a_number(product, monkeypatch):
    assert str(paginator(4, product, monkeypatch).count) == "4"


@pytest.mark.parametrize("asked", [{}, {"q": "customer"}, {"status__exact": "active"}, {"p": "2"}], ids=str)
def test_a_long_list_shows_a_lower_bound_of_its_length(admin_client, product, monkeypatch, asked):
    monkeypatch.setattr(CappedPaginator, "MAX_COUNTED", 1_200)
    monkeypatch.setattr(site.get_model_admin(Hold), "list_per_page", 25)
    hold = HoldFactory(product=product, customer_id="customer")
    columns = [field.attname for field in Hold._meta.concrete_fields if not field.primary_key]
    kept = {name: getattr(hold, name) for name in columns}
    Hold.objects.bulk_create(Hold(**kept) for _ in range(1_200))

    page = admin_client.get(admin_url(Hold, "changelist"), asked).content.decode()

    assert "9999999999" not in page.replace(",", "")
    assert "Select all more than 1,200 holds" in page
    assert "All more than 1,200 selected" in page
    assert re.search(r"\d+ to \d+ of more than 1,200 holds", page)


def test_every_list_of_a_growing_table_has_a_capped_count():
    lists = {type(model_admin).__name__ for model_admin in site._registry.values() if not counts_all(model_admin)}

    assert lists == {
        "ActivityAdmin",
        "HoldAdmin",
        "RefundableOrderAdmin",
        "WebhookEventAdmin",
        "PaymentAdmin",
        "PaymentAttemptAdmin",
        "DisputeAdmin",
        "LoginFailureAdmin",
        "DeliveryAdmin",
        "EventAdmin",
    }


def counts_all(model_admin) -> bool:
    return model_admin.show_full_result_count or not issubclass(model_admin.paginator, CappedPaginator)


@pytest.mark.parametrize("page", ["-1", "0", "9", "9" * 30, "x"])
def test_a_list_of_one_page_shows_it_whatever_page_is_asked_for(admin_client, product, page):
    HoldFactory(product=product)

    answer = admin_client.get(admin_url(Hold, "changelist"), {"p": page})

    assert "1 to 1 of 1 hold" in answer.content.decode()

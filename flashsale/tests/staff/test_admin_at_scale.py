"""The admin's pages with many rows: no page is large, none asks for each row, none lists all products."""

import pytest
from django.contrib.admin import site
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from benchmarks.large_tables import admin_pages
from benchmarks.large_tables.rows import Size, fill, fill_products
from flashsale.staff import menu
from flashsale.tests.support.admin import admin_url

pytestmark = pytest.mark.django_db
PRODUCTS = 2_000
LISTS = [(model, one) for model, one in site._registry.items() if "django_celery_beat" not in model.__module__]
MAX_QUERIES = 20


@pytest.fixture
def shop():
    fill_products(PRODUCTS)
    fill(Size(PRODUCTS, holds=300, orders=150))


def test_the_pages_that_are_measured_exist_and_are_small(shop):
    measured = admin_pages.measure(rounds=1)

    assert {name: page for name, page in measured.items() if page.kilobytes > admin_pages.MAX_KB} == {}
    lists = {name: page for name, page in measured.items() if not name.startswith("page of ")}
    assert {name: page for name, page in lists.items() if page.queries > MAX_QUERIES} == {}
    assert admin_pages.table(measured, measured, Size(1, 2, 3)).count("\n") == len(measured) + 1


@pytest.mark.parametrize("page", ["changelist", "add", "change"])
def test_no_page_has_a_choice_of_all_products(admin_client, shop, page):
    sizes = {}
    for model in site._registry:
        row = model.objects.first()
        if page == "change" and row is None:
            continue
        path = admin_url(model, page, *([row.pk] if page == "change" else []))
        answer = admin_client.get(path)
        if answer.status_code == 200:
            content = answer.content.decode()
            sizes[model._meta.label] = len(content) // 1024
            assert content.count("Product 1") < 60, path

    assert {name: size for name, size in sizes.items() if size > admin_pages.MAX_KB} == {}
    assert len(sizes) > 5


@pytest.mark.parametrize("model", [model for model, _ in LISTS], ids=lambda model: model._meta.label)
def test_a_list_asks_as_often_for_25_rows_as_for_one(admin_client, shop, model, monkeypatch):
    path = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    # The first request counts for the menu, the others do not count again, however late they are.
    monkeypatch.setattr(menu, "COUNTED_FOR_SECONDS", 3_600)
    cache.clear()
    asked = {}
    for rows in (1, 25):
        monkeypatch.setattr(site.get_model_admin(model), "list_per_page", rows)
        # The smaller of two: the first one fills caches.
        asked[rows] = min((statements_of(admin_client, path) for _ in range(2)), key=len)

    assert len(asked[25]) <= len(asked[1]) + 1, asked


def statements_of(client, path: str) -> list[str]:
    with CaptureQueriesContext(connection) as queries:
        client.get(path)
    return [query["sql"] for query in queries]


def test_big_lists_are_sorted_by_their_index_only(admin_client, shop):
    for path in ("checkout_order", "checkout_hold", "payments_payment"):
        page = admin_client.get(reverse(f"admin:{path}_changelist"))
        model_admin = page.context["cl"].model_admin
        columns = {model_admin._sorts_by(column) for column in page.context["cl"].sortable_by}

        assert columns == {model_admin.ordering[0].removeprefix("-")}

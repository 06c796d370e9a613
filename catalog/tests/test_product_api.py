"""Products in the API: one, the list and its pages, and the sale's status."""

from datetime import timedelta

from django.utils import timezone

from catalog.models import Product, Stock
from catalog.tests.factories import ProductFactory
from checkout.tests.factories import HoldFactory, OrderFactory, let_order_pass
from checkout.tests.support.holds import place
from flashsale.tests.support.contract import members_of
from flashsale.tests.support.problems import problem_of
from flashsale.tests.support.times import moment

PRODUCT_MEMBERS = members_of("Product")
HOUR = timedelta(hours=1)


def test_a_product_shows_its_available_units(api, product):
    HoldFactory(product=product, quantity=3)

    body = api.get(f"/api/v1/products/{product.pk}").json()

    assert set(body) == PRODUCT_MEMBERS
    assert (body["price"], body["currency"]) == ("29.99", "USD")
    assert (body["total_stock"], body["available_stock"], body["is_sold_out"]) == (10, 7, False)
    assert (body["sale_status"], body["max_per_hold"], body["max_per_customer"]) == ("live", 10, None)


def test_an_unpublished_product_is_not_found(api, product):
    Product.objects.update(is_published=False)

    problem_of(api.get(f"/api/v1/products/{product.pk}"), 404, "not_found")
    problem_of(place(api, product), 404, "not_found")
    assert api.get("/api/v1/products").json()["results"] == []


def test_products_come_in_pages_of_50(api, db):
    ids = [ProductFactory().pk for _ in range(120)]

    pages, url = [], "/api/v1/products"
    while url:
        page = api.get(url).json()
        assert set(page) == {"next", "previous", "results"}
        pages.append([product["id"] for product in page["results"]])
        url = page["next"]

    assert [len(page) for page in pages] == [50, 50, 20]
    assert [product_id for page in pages for product_id in page] == ids
    assert api.get(api.get("/api/v1/products").json()["next"]).json()["previous"]


def test_the_sale_status_is_the_first_that_applies(api, db):
    now = timezone.now()
    product = ProductFactory(stock=0, sale_starts_at=now + HOUR, sale_ends_at=now + 2 * HOUR)

    def status_with(**fields) -> str:
        Product.objects.filter(pk=product.pk).update(**fields)
        return api.get(f"/api/v1/products/{product.pk}").json()["sale_status"]

    assert status_with(paused_at=now) == "upcoming"
    assert status_with(sale_starts_at=now - 2 * HOUR, sale_ends_at=now - HOUR) == "ended"
    assert status_with(sale_ends_at=now + HOUR) == "paused"
    assert status_with(paused_at=None) == "sold_out"
    Stock.objects.update(total=1)
    assert status_with() == "live"


def test_a_product_answers_with_all_of_its_columns(api, db):
    starts, ends = timezone.now() - HOUR, timezone.now() + HOUR
    product = ProductFactory(
        name="Caf\u00e9 <b>", description="Two\nlines", stock=7, max_per_hold=3, max_per_customer=4,
        sale_starts_at=starts, sale_ends_at=ends,
    )  # fmt: skip

    body = api.get(f"/api/v1/products/{product.pk}").json()

    times = {name: moment(body.pop(name)) for name in ("sale_starts_at", "sale_ends_at", "updated_at")}
    assert times == {"sale_starts_at": starts, "sale_ends_at": ends, "updated_at": product.updated_at}
    assert body == {
        "id": product.pk, "name": "Caf\u00e9 <b>", "description": "Two\nlines", "price": "29.99", "currency": "USD",
        "total_stock": 7, "available_stock": 7, "is_sold_out": False, "sale_status": "live", "max_per_hold": 3,
        "max_per_customer": 4, "sku": None, "image_url": None, "queue": "off", "queue_opens_at": None,
    }  # fmt: skip


def test_the_list_shows_each_product_as_its_own_page_does(api, db):
    for stock in (0, 3):
        ProductFactory(stock=stock)
    let_order_pass(OrderFactory(quantity=2))
    Product.objects.filter(pk=ProductFactory().pk).update(is_published=False)

    listed = api.get("/api/v1/products").json()

    assert (listed["next"], listed["previous"], len(listed["results"])) == (None, None, 3)
    assert all(set(product) == PRODUCT_MEMBERS for product in listed["results"])
    assert listed["results"] == [api.get(f"/api/v1/products/{found['id']}").json() for found in listed["results"]]


def test_the_previous_page_is_the_one_before(api, db):
    for _ in range(51):
        ProductFactory()
    first = api.get("/api/v1/products").json()

    second = api.get(first["next"]).json()
    back = api.get(second["previous"]).json()

    assert len(second["results"]) == 1
    assert back["results"] == first["results"]

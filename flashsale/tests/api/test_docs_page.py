"""The API's page in a browser."""

import pytest

from catalog.tests.factories import ProductFactory
from flashsale.tests.support.browser import DESKTOP, PHONE, open_page

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_page_shows_every_operation_and_tries_one_out(live_server, viewport):
    product = ProductFactory(name="A thing to try out")

    with open_page(live_server.url, viewport=viewport) as page:
        page.goto("/api/v1/docs")
        page.wait_for_selector(".opblock")
        shown = page.locator(".opblock").count()
        page.click("#operations-products-getProduct .opblock-summary-control")
        page.click("#operations-products-getProduct .try-out__btn")
        page.fill("#operations-products-getProduct tr[data-param-name=id] input", str(product.pk))
        page.click("#operations-products-getProduct .execute")
        page.wait_for_selector("#operations-products-getProduct .live-responses-table")
        answer = page.inner_text("#operations-products-getProduct .live-responses-table")

    assert shown == 10
    assert "A thing to try out" in answer


def test_a_problems_page_is_readable(live_server):
    with open_page(live_server.url, viewport=PHONE) as page:
        page.goto("/problems/insufficient_stock")

        assert page.inner_text("h1") == "insufficient_stock"
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        page.click("text=All problem codes")
        assert page.locator("tbody tr").count() > 20

"""The documentation page and the problem pages in a browser."""

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

    assert shown == 14
    assert "A thing to try out" in answer


FITS = "document.documentElement.scrollWidth <= window.innerWidth"


def test_the_pages_of_problems_fit_a_phone_and_link_each_other(live_server):
    with open_page(live_server.url, viewport=PHONE) as page:
        page.goto("/problems/insufficient_stock")

        assert page.inner_text("h1") == "insufficient_stock"
        assert page.evaluate(FITS)
        page.click("text=All problem codes")
        page.wait_for_selector("tbody tr")
        assert page.locator("tbody tr").count() > 20
        assert page.evaluate(FITS)


def test_docs_leads_on_to_the_problem_codes_and_the_back_office(live_server):
    with open_page(live_server.url, viewport=PHONE) as page:
        page.goto("/docs")

        page.wait_for_selector(".opblock")
        assert page.evaluate(FITS)
        targets = [link.get_attribute("href") for link in page.locator(".info a").all()]
        assert {"/problems/", "/api/v1/schema", "/api/v1/backoffice/docs"} <= set(targets)
        page.goto("/api/v1/backoffice/docs")
        page.wait_for_selector("#operations-orders-listOrders")
        assert page.locator(".info a[href='/api/v1/docs']").count() == 1
        assert page.evaluate(FITS)

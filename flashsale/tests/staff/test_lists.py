"""The lists of holds and orders in a browser: columns, search, filters, empty ones, on a desktop and on a phone."""

import csv
import re
from decimal import Decimal
from pathlib import Path

import pytest
from django.core.cache import cache

from catalog.tests.factories import ProductFactory
from checkout.models import Hold, Order
from checkout.tests.factories import HoldFactory, OrderFactory, let_order_pass
from flashsale.tests.support.admin import MODELS, admin_url
from flashsale.tests.support.browser import DESKTOP, PHONE, VIEWS, assert_fits, cut_off_in, log_in_as, open_page
from payments import refunds
from payments.models import Dispute
from payments.tests.factories import receive

ROWS = 30
# What a list of 25 orders may be high on a phone, in screens.
MAX_SCREENS = 5


@pytest.fixture
def shop(transactional_db, django_user_model):
    """Orders of two products, one of them overdue, one paid, and a member of staff."""
    cache.clear()
    django_user_model.objects.create_superuser("ann", password="secret-1")
    product = ProductFactory(name="Limited Edition Vinyl Box Set, numbered and signed", stock=100)
    orders = [OrderFactory(product=product, customer_id=f"customer-{number}") for number in range(ROWS)]
    receive(key="evt_1", order_id=orders[-1].pk, payment_id="pay_1")
    let_order_pass(orders[0])
    HoldFactory(product=ProductFactory(name="Gadget"), customer_id="bob")
    return orders


def sign_in(page) -> None:
    page.goto("/admin/")
    page.fill("input[name=username]", "ann")
    page.fill("input[name=password]", "secret-1")
    page.click("button[type=submit]")
    page.wait_for_selector("#live")


# Whether no column of a list is outside its frame.
ALL_VISIBLE = """() => {
    const list = document.querySelector("#result_list");
    return list.scrollWidth <= list.parentElement.clientWidth;
}"""


@VIEWS
def test_a_list_of_orders_shows_what_the_work_needs(live_server, shop, viewport, colors):
    with open_page(live_server.url, viewport=viewport, colors=colors) as page:
        sign_in(page)
        page.goto("/admin/checkout/order/")
        rows = page.locator("#result_list .data-row")
        first, count = rows.first.inner_text(), rows.count()
        height = page.evaluate("document.documentElement.scrollHeight")
        pages = page.inner_text(".list-pages span")
        is_all_visible = page.evaluate(ALL_VISIBLE)
        assert_fits(page)
        with page.expect_navigation():
            page.click("a[rel=next]")
        last = page.inner_text("#result_list")
        assert_fits(page)

    assert count == 25
    assert pages == f"1 to 25 of {ROWS} orders"
    for text in (shop[-1].pk.hex[:8], "Limited Edition", "29.99 USD", f"customer-{ROWS - 1}", "pay_1", "PAID"):
        assert text in first
    assert re.search(r"\d{4}-\d\d-\d\d\s\d\d:\d\d:\d\d UTC", first)
    assert "EXPIRED" in last
    assert is_all_visible
    assert viewport != PHONE or height <= MAX_SCREENS * viewport["height"]


@VIEWS
def test_orders_are_filtered_by_status_and_by_a_product_that_is_searched(live_server, shop, viewport, colors):
    gadget = OrderFactory(product=ProductFactory(name="Rare Gadget"))

    with open_page(live_server.url, viewport=viewport, colors=colors) as page:
        sign_in(page)
        page.goto("/admin/checkout/order/")
        page.click("a:has-text('Filters')")
        page.click("#filter-form label:has-text('Pending payment')")
        page.click("#filter-form .select2-selection")
        page.wait_for_selector(".select2-search__field:focus")
        page.keyboard.type("Rare")
        page.click(".select2-results__option:has-text('Rare Gadget')")
        page.click("button:has-text('Apply')")
        page.wait_for_url("**status=pending_payment**")
        found = page.locator("#result_list .cell-id").all_inner_texts()
        assert_fits(page)

    assert found == [gadget.pk.hex[:8]]


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_an_empty_list_says_what_would_be_there(live_server, shop, viewport):
    with open_page(live_server.url, viewport=viewport) as page:
        sign_in(page)
        page.goto("/admin/payments/dispute/")
        nothing_yet = page.inner_text(".list-empty")
        page.goto("/admin/checkout/order/?q=no-such-order")
        nothing_found = page.inner_text(".list-empty")
        assert page.locator("text=Add order").count() == 0
        assert_fits(page)
        page.click("text=Show all orders")
        page.wait_for_selector("#result_list")

    assert not Dispute.objects.exists()
    assert "No dispute yet" in nothing_yet
    assert "Nothing was found for “no-such-order”." in nothing_found


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_what_was_searched_is_exported_and_opened(live_server, shop, viewport):
    order = shop[3]

    with open_page(live_server.url, viewport=viewport) as page:
        sign_in(page)
        page.goto("/admin/checkout/order/")
        page.fill("#searchbar", order.customer_id)
        page.press("#searchbar", "Enter")
        page.wait_for_url("**q=customer-3")
        with page.expect_download() as download:
            page.click("text=Export all that match as CSV")
        [row] = csv.DictReader(Path(download.value.path()).read_text(encoding="utf-8-sig").splitlines())
        page.click(f"text={order.pk.hex[:8]}")
        page.wait_for_selector(".page-status")
        whole, status = page.inner_text("#order_form"), page.inner_text(".page-status")
        assert_fits(page)
        page.click(f"#order_form a:has-text('{order.hold_id.hex[:8]}')")
        of_hold = page.inner_text(".page-status")
        page.click(f"#hold_form a:has-text('{order.pk.hex[:8]}')")
        page.wait_for_url(f"**/checkout/order/{order.pk}/change/")

    assert (row["Order"], row["Total"], row["Status"]) == (str(order.pk), "29.99", "pending payment")
    assert str(order.pk) in whole
    assert "29.990" not in whole
    assert re.fullmatch(r"Waits for payment of 29\.99 USD until [\d: -]+ UTC, \d+ min left\.", status)
    assert of_hold.startswith(f"Became order {order.pk.hex[:8]}")


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_an_order_is_cancelled_on_its_page(live_server, shop, viewport):
    order = shop[5]

    with open_page(live_server.url, viewport=viewport) as page:
        sign_in(page)
        page.goto(admin_url(Order, "change", order.pk))
        page.click(".page-button:has-text('Cancel the order')")
        effect = page.inner_text(".decide-rows")
        page.fill("textarea[name=note]", "Ticket 17")
        assert_fits(page)
        page.click("button:has-text('Cancel the order')")
        page.wait_for_selector("text=is cancelled; its 1 unit is available again.")
        status = page.inner_text(".page-status")

    assert "A payment that comes later is due for refund." in effect
    assert status.startswith("Cancelled at ")


@pytest.mark.django_db
def test_pages_of_holds_and_orders_show_nothing_internal(admin_client, order):
    Order.objects.filter(pk=order.pk).update(client="c0ffee", idempotency_key="key-1", body_hash="b0d7")
    Hold.objects.filter(pk=order.hold_id).update(client="c0ffee", idempotency_key="key-1", body_hash="b0d7")

    for row in (order, order.hold):
        page = admin_client.get(admin_url(type(row), "change", row.pk)).content.decode()
        assert not [text for text in ("c0ffee", "key-1", "b0d7", "Idempotency") if text in page]


def test_the_cards_of_a_phone_cut_nothing_off(live_server, shop, django_user_model):
    yen = ProductFactory(name="First Edition Print", price="12000", currency="JPY", stock=10)
    orders = [OrderFactory(product=yen, quantity=2) for _ in range(3)]
    receive(key="evt_2", order_id=orders[0].pk, payment_id="pay_2", amount="24000", currency="JPY")
    refunds.request(orders[0].pk, amount=Decimal(12000), staff=django_user_model.objects.get(), note="One came back")
    receive(key="evt_3", order_id=orders[1].pk, payment_id="pay_3", amount="23999", currency="JPY")
    receive(key="evt_4", order_id=orders[0].pk, payment_id="pay_4", amount="24000", currency="JPY")
    cut_off = {}

    with open_page(live_server.url, viewport=PHONE) as page:
        log_in_as(page, django_user_model.objects.get())
        for model in MODELS:
            page.goto(admin_url(model, "changelist"))
            cut_off[model.__name__] = cut_off_in(page)
            assert_fits(page)

    assert {name: cells for name, cells in cut_off.items() if cells} == {}

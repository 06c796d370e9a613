"""A sale's products in a browser whose zone is not the shop's: create, publish, pause, resume, adjust, import."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.core.cache import cache

from catalog.models import Product
from catalog.tests.factories import ProductFactory
from checkout.tests.factories import HoldFactory
from checkout.tests.support.queues import queued_product
from checkout.waiting_room import moving
from flashsale.tests.support.admin import admin_url
from flashsale.tests.support.browser import PHONE, VIEWS, assert_fits, open_page

FILE = """name;price;currency;stock;sale_starts_at
Widget;29,99;USD;100;2126-11-27 12:00
Gadget;12000;JPY;5;
Dinar;1,25;KWD;7;2126-11-27 12:00:03+01:00
"""


@pytest.fixture(autouse=True)
def shop(transactional_db, settings, django_user_model) -> None:
    cache.clear()
    settings.TIME_ZONE = "Africa/Cairo"
    django_user_model.objects.create_superuser("ann", password="secret-1")


@pytest.fixture
def staff_page(live_server, viewport, colors):
    """A page of a member of staff far away, logged in."""
    with open_page(live_server.url, viewport=viewport, colors=colors, zone="America/Los_Angeles") as page:
        page.goto("/admin/")
        page.fill("input[name=username]", "ann")
        page.fill("input[name=password]", "secret-1")
        page.click("button[type=submit]")
        page.wait_for_selector("#live")
        yield page
        assert_fits(page)


def press(page, button: str) -> None:
    """Press a button of a product's page."""
    page.click(f".page-actions a:has-text('{button}')")
    page.wait_for_selector(".decide-title")
    assert_fits(page)


def confirm(page) -> None:
    page.click(".decide button[type=submit]")
    page.wait_for_selector(".page-actions")
    assert_fits(page)


def status(page) -> str:
    return page.inner_text(".page-status")


@VIEWS
def test_a_product_is_created_checked_and_published(staff_page):
    page = staff_page
    page.goto(admin_url(Product, "add"))
    for name, text in {
        "name": "Winter jacket", "price": "29.99", "currency": "usd", "opening_stock": "500", "max_per_customer": "2",
        "sale_starts_at_0": "2126-11-27", "sale_starts_at_1": "12:00:03",
    }.items():  # fmt: skip
        page.fill(f"input[name={name}]", text)
    meaning = page.inner_text(".field-sale_starts_at output")
    assert_fits(page)
    page.click("button[name=_save]")
    page.wait_for_selector("text=It is not published: buyers do not see it.")
    before = status(page)
    page.click("li a:has-text('Publish')")
    page.wait_for_selector(".decide-title")
    effect = page.inner_text(".decide-rows")
    confirm(page)

    product = Product.objects.get()
    assert meaning == "Wednesday 2126-11-27 12:00:03 UTC+02:00 = 2126-11-27 10:00:03 UTC"
    assert before == "Not published: buyers do not see it. 500 in all: 500 available, 0 reserved, 0 sold."
    assert "buy it from 2126-11-27 12:00:03 EET (10:00:03 UTC)." in effect
    assert status(page).startswith("Upcoming: the sale starts at 2126-11-27 12:00:03 EET (10:00:03 UTC).")
    assert (product.is_published, product.currency, product.price) == (True, "USD", Decimal("29.99"))
    assert product.sale_starts_at == datetime(2126, 11, 27, 10, 0, 3, tzinfo=UTC)


@VIEWS
def test_a_running_sale_is_paused_in_two_clicks_and_resumed(staff_page):
    page, product = staff_page, ProductFactory(name="Widget", stock=10)
    HoldFactory(product=product, quantity=3)
    page.goto(admin_url(Product, "change", product.pk))

    press(page, "Pause the sale")
    effect = page.inner_text(".decide-rows")
    confirm(page)
    product.refresh_from_db()
    paused_at, paused = product.paused_at, status(page)
    press(page, "Resume the sale")
    confirm(page)
    product.refresh_from_db()

    assert "Holds and orders that exist are not affected; 3 units are reserved." in effect
    assert paused_at
    assert "new holds are refused. 10 in all: 7 available, 3 reserved, 0 sold." in paused
    assert product.paused_at is None
    assert status(page).startswith("Live: buyers can hold units.")


@VIEWS
def test_stock_is_adjusted_beside_the_numbers_of_now(staff_page):
    page, product = staff_page, ProductFactory(name="Widget", stock=10)
    HoldFactory(product=product, quantity=3)
    page.goto(admin_url(Product, "change", product.pk))

    press(page, "Adjust stock")
    numbers = page.inner_text(".decide-rows")
    page.fill("input[name=delta]", "-8")
    page.fill("textarea[name=note]", "Counted again")
    confirm(page)
    page.wait_for_selector("text=The total cannot become 2. It is 10: 3 reserved and 0 sold units are committed")
    press(page, "Adjust stock")
    page.fill("input[name=delta]", "5")
    page.fill("textarea[name=note]", "Found a box")
    confirm(page)
    page.wait_for_selector("text=Widget had 10 units in all: +5 units, 15 in all.")

    assert "Now: 10 in all: 7 available, 3 reserved, 0 sold." in numbers
    assert "stock 10 → 15 (+5: Found a box)" in page.inner_text(".live-story")


@VIEWS
def test_products_are_imported_as_the_preview_shows_them(staff_page):
    page = staff_page
    page.goto("/admin/catalog/product/import")
    page.set_input_files("input[type=file]", {"name": "sale.csv", "mimeType": "text/csv", "buffer": FILE.encode()})
    page.click("button:has-text('Preview')")
    page.wait_for_selector("text=3 products would be added")
    preview = page.inner_text(".import-table")
    assert_fits(page)
    page.click("text=Add and publish them")
    page.wait_for_selector("text=3 products were added and published: Widget (id")

    for value in ("29.99 USD", "12000 JPY", "1.250 KWD", "at once", "2126-11-27 12:00:00 EET (10:00:00 UTC)",
                  "2126-11-27 13:00:03 EET (11:00:03 UTC)"):  # fmt: skip
        assert value in preview
    assert Product.objects.get(name="Widget").sale_starts_at == datetime(2126, 11, 27, 10, tzinfo=UTC)


@VIEWS
def test_the_list_shows_status_price_and_numbers_and_is_filtered(staff_page):
    page = staff_page
    ProductFactory(name="Widget", stock=10, sale_ends_at=datetime(2126, 11, 27, 10, tzinfo=UTC))
    ProductFactory(name="Gone", stock=0, price=Decimal(12000), currency="JPY")

    page.goto(admin_url(Product, "changelist"))
    shown = page.inner_text("#result_list")
    assert_fits(page)
    page.goto(f"{admin_url(Product, 'changelist')}?status=sold_out")
    filtered = page.inner_text("#result_list")
    page.click("a:has-text('Filters')")
    page.wait_for_selector("text=Apply Filters")
    bounds = page.locator(".time-bound input").all()

    for value in ("29.99 USD", "12000 JPY", "10 / 0 / 0 of 10", "until 2126-11-27 12:00:00 EET"):
        assert value in shown
    assert "12000 JPY" in filtered
    assert "29.99 USD" not in filtered
    assert len(bounds) == 4
    assert page.locator(".timezonewarning").count() == 0


@pytest.mark.parametrize(("viewport", "colors"), [(PHONE, "dark")], ids=["phone"])
def test_a_queue_is_limited_with_the_keyboard(staff_page):
    page, product = staff_page, queued_product(name="Winter jacket", admission_rate_max=20)
    moving.move(product.pk)
    page.goto(admin_url(Product, "change", product.pk))
    slider = page.locator("#waiting-room .rate-slider")

    slider.focus()
    page.keyboard.press("ArrowRight")

    assert page.input_value("#waiting-room input[type=number]") == "30"
    assert slider.get_attribute("aria-valuetext") == "30 buyers a second"
    assert_fits(page)
    page.click("#waiting-room button")
    page.wait_for_selector(".page-actions")
    product.refresh_from_db()
    assert product.admission_rate_max == 30

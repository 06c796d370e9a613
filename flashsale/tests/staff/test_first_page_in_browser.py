"""The admin's first page in a browser: it refreshes itself, in light and dark, at desktop and phone width."""

import re
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.utils import timezone

from catalog.tests.factories import ProductFactory
from checkout.models import RefusalCount
from checkout.tests.factories import HoldFactory, OrderFactory
from flashsale.tests.support.browser import DESKTOP, PHONE, VIEWS, assert_fits, open_page
from payments.tests.factories import receive

SUMS = """Object.fromEntries(Chart.getChart('live-chart').data.datasets.map(
    (one) => [one.title, one.data.reduce((sum, n) => sum + n, 0)]))"""
LABELS = "Chart.getChart('live-chart').data.labels"
# Colours of the chart and of the page behind it, as red, green and blue.
COLOURS = """() => {
  const pixel = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgb = (color) => {
    pixel.fillStyle = color;
    pixel.fillRect(0, 0, 1, 1);
    return [...pixel.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const { x, y } = Chart.getChart("live-chart").options.scales;
  const back = getComputedStyle(document.getElementById("main")).backgroundColor;
  return [back, x.grid.color, y.grid.color, x.ticks.color, y.ticks.color].map(rgb);
}"""


@pytest.fixture
def shop(transactional_db, django_user_model):
    """A product on sale with a hold, a paid order, a payment to refund, and refusals; and a member of staff."""
    cache.clear()
    django_user_model.objects.create_superuser("ann", password="secret-1")
    product = ProductFactory(name="Flash Sale Widget", stock=100)
    HoldFactory(product=product, quantity=3)
    order = OrderFactory(product=product, quantity=2)
    receive(key="evt_1", order_id=order.pk, payment_id="pay_1")
    receive(key="evt_2", order_id=order.pk, payment_id="pay_2")
    RefusalCount.objects.create(
        product=product, code="sale_ended", began_at=timezone.now().replace(microsecond=0), seconds=1, claims=7
    )
    return product


def log_in(page) -> None:
    page.goto("/admin/")
    page.fill("input[name=username]", "ann")
    page.fill("input[name=password]", "secret-1")
    page.click("button[type=submit]")
    page.wait_for_selector("#live-chart")


def contrast(one: list[int], other: list[int]) -> float:
    """Return the contrast ratio of two colours: WCAG 2.2, "contrast ratio"."""

    def luminance(rgb: list[int]) -> float:
        parts = [part / 255 for part in rgb]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    darker, lighter = sorted([luminance(one), luminance(other)])
    return (lighter + 0.05) / (darker + 0.05)


def assert_legible(page) -> None:
    """Fail where lines or numbers of the chart can hardly be told from the page."""
    back, *of_chart = page.evaluate(COLOURS)
    lines, texts = of_chart[:2], of_chart[2:]
    assert min(contrast(line, back) for line in lines) >= 1.4
    assert min(contrast(text, back) for text in texts) >= 4.5


@VIEWS
def test_it_refreshes_without_a_reload_and_keeps_the_chosen_range(live_server, shop, viewport, colors):
    with open_page(live_server.url, viewport=viewport, colors=colors) as page:
        log_in(page)
        before = page.inner_text("#live")
        by_second = page.evaluate(LABELS), page.evaluate(SUMS)
        page.click("[data-range=minutes]")
        page.evaluate("window.isSamePage = true")
        HoldFactory(product=shop, quantity=10)
        page.wait_for_function("document.getElementById('live').innerText.includes('13 reserved')")
        by_minute = page.evaluate(LABELS), page.evaluate(SUMS)
        is_same_page = page.evaluate("window.isSamePage")
        assert_legible(page)
        assert_fits(page)
        page.reload()
        kept = page.evaluate(LABELS)

    assert "2 sold" in before
    assert "3 reserved" in before
    assert "95 available" in before
    assert "1 Refunds due" in before
    assert "119.96 USD" in before
    assert len(by_second[0]) == 600
    assert re.fullmatch(r"\d\d:\d\d:\d\d", by_second[0][0])
    assert by_second[1] == {"Holds": 2, "Orders": 1, "Payments": 2, "Refusals": 7}
    assert len(by_minute[0]) == 60
    assert by_minute[1] == {"Holds": 3, "Orders": 1, "Payments": 2, "Refusals": 7}
    assert is_same_page
    assert len(kept) == 60


def test_the_chart_is_drawn_again_when_the_theme_changes(live_server, shop):
    with open_page(live_server.url, colors="light") as page:
        log_in(page)
        light = page.evaluate(COLOURS)
        page.keyboard.press("Control+e")
        page.keyboard.press("Control+e")
        page.wait_for_selector("html.dark")
        page.wait_for_function(f"JSON.stringify(({COLOURS})()) !== '{str(light).replace(' ', '')}'")
        assert_legible(page)


def test_the_countdown_ticks_by_the_servers_clock(live_server, shop):
    starts_at = timezone.now() + timedelta(days=2, hours=3, minutes=30)
    ProductFactory(name="Tomorrow", sale_starts_at=starts_at)
    with open_page(live_server.url) as page:
        # The browser's clock is wrong by years.
        page.add_init_script("Date.now = () => 0")
        log_in(page)
        shown = page.inner_text(".live-countdown")
        page.wait_for_function(f"document.querySelector('.live-countdown').textContent !== '{shown}'")
        later = page.inner_text(".live-countdown")

    assert re.fullmatch(r"in 2 days 03:(29|30):\d\d", shown)
    assert re.fullmatch(r"in 2 days 03:(28|29):\d\d", later)


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_sale_is_paused_with_two_clicks(live_server, shop, viewport):
    with open_page(live_server.url, viewport=viewport) as page:
        log_in(page)
        page.click(".live-act")
        page.click("main button[type=submit], #content button[type=submit]")
        page.wait_for_url(f"**/catalog/product/{shop.pk}/change/")
        page.goto("/admin/")
        page.wait_for_selector(".live-act:has-text('Resume')")

    shop.refresh_from_db()
    assert shop.paused_at is not None


def test_a_refresh_does_not_swallow_a_click(live_server, shop):
    with open_page(live_server.url) as page:
        log_in(page)
        page.hover(".live-act")
        page.mouse.down()
        with page.expect_response("**/admin/live/"):
            pass
        with page.expect_response("**/admin/live/"):
            pass
        page.mouse.up()
        page.wait_for_url(f"**/catalog/product/{shop.pk}/act/pause/")

"""A day of a member of staff in a browser, from the product to the refund, with the presses that each task takes."""

import csv
import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.core.cache import cache
from django.utils import timezone
from playwright.sync_api import Page

from catalog.models import Product, Stock
from checkout import audit
from checkout.models import Hold, Order
from checkout.tests.factories import HoldFactory, OrderFactory
from flashsale.tests.support.admin import admin_url
from flashsale.tests.support.browser import DESKTOP, PHONE, open_page
from flashsale.tests.support.hand import Hand
from payments.models import Payment, WebhookEvent
from payments.tests.factories import receive

pytestmark = pytest.mark.django_db(transaction=True)

ZONE = "Africa/Cairo"
# Presses of each task, the last of which confirms it. Typing into a field takes none.
PRESSES = {
    "create": 1, "publish": 2, "pause": 2, "resume": 2, "add stock": 2, "release a hold": 2, "cancel an order": 2,
    "refund half": 2, "settle an event": 2, "export": 1, "find by customer": 1, "find by payment": 1,
}  # fmt: skip


def log_in(page: Page) -> None:
    page.goto("/admin/login/")
    page.fill("input[name=username]", "ann")
    page.fill("input[name=password]", "secret-1")
    page.click("button[type=submit]")
    page.wait_for_selector("#live-chart")


def create(hand: Hand, noon: datetime) -> Product:
    """Create the sale of tomorrow noon."""
    with hand.task("create", at=admin_url(Product, "add")):
        fields = {
            "name": "Widget", "price": "29.99", "currency": "USD", "opening_stock": "500", "max_per_customer": "2",
            "sale_starts_at_0": f"{noon:%Y-%m-%d}", "sale_starts_at_1": "12:00",
        }  # fmt: skip
        for name, value in fields.items():
            hand.page.fill(f"[name={name}]", value)
        assert ZONE in hand.read()
        hand.press("Save")
    assert "not published" in hand.read()
    return Product.objects.get()


def run_sale(hand: Hand, product: Product) -> None:
    """Publish, pause and resume the sale, and add stock to it."""
    page = admin_url(Product, "change", product.pk)
    with hand.task("publish", at=page):
        hand.press("Publish")
        assert "12:00:00" in hand.read()
        hand.press("Publish")
    with hand.task("pause", at=page):
        hand.press("Pause the sale")
        hand.press("Pause the sale")
    product.refresh_from_db()
    assert product.paused_at
    with hand.task("resume", at=page):
        hand.press("Resume the sale")
        hand.press("Resume the sale")
    with hand.task("add stock", at=page):
        hand.press("Adjust stock")
        assert "500" in hand.read()
        hand.page.fill("[name=delta]", "50")
        hand.page.fill("[name=note]", "Found a box")
        hand.press("Adjust stock")
    assert "550" in hand.read()


def end_claims(hand: Hand, hold: Hold, order: Order) -> None:
    """Release a hold and cancel an order."""
    with hand.task("release a hold", at=admin_url(Hold, "change", hold.pk)):
        hand.press("Release the hold")
        hand.page.fill("[name=note]", "The buyer asked for it")
        hand.press("Release the hold")
    with hand.task("cancel an order", at=admin_url(Order, "change", order.pk)):
        hand.press("Cancel the order")
        hand.page.fill("[name=note]", "The buyer asked for it")
        hand.press("Cancel the order")


def refund_half(hand: Hand, order: Order) -> None:
    """Refund one of the two units of a paid order and put it back on sale."""
    with hand.task("refund half", at=admin_url(Order, "change", order.pk)):
        hand.press("Refund")
        assert "59.98" in hand.page.locator(".decide").inner_text()
        hand.page.fill("[name=amount]", "29.99")
        hand.page.fill("[name=restock_units]", "1")
        hand.page.fill("[name=note]", "One came back")
        hand.press("Refund")
    assert "29.99 USD" in hand.read()


def settle(hand: Hand, event: WebhookEvent) -> None:
    """Give back money that does not match its order."""
    page = admin_url(WebhookEvent, "change", event.pk)
    hand.open(page)
    assert "30.99 USD" in hand.read()
    assert "29.99 USD" in hand.read()
    with hand.task("settle an event", at=page):
        hand.press("Give the money back")
        hand.page.fill("[name=note]", "It is too much")
        hand.press("Give the money back")


def find(hand: Hand, task: str, text: str, order: Order) -> None:
    """Find an order in the list by what belongs to it."""
    with hand.task(task, at=admin_url(Order, "changelist")):
        hand.search(text)
        hand.press(order.pk.hex[:8])
    assert str(order.pk) in hand.read()


def export(hand: Hand) -> list[dict[str, str]]:
    """Return the rows of the file of all orders."""
    with hand.task("export", at=admin_url(Order, "changelist")):
        with hand.page.expect_download() as download:
            hand.press("Export all that match as CSV")
        with download.value.path().open(encoding="utf-8-sig", newline="") as file:
            return list(csv.DictReader(io.StringIO(file.read())))


@pytest.mark.parametrize(("viewport", "colors"), [(DESKTOP, "light"), (PHONE, "dark")], ids=["desktop", "phone"])
def test_the_day_of_a_sale(live_server, settings, django_user_model, viewport, colors):
    settings.TIME_ZONE = ZONE
    cache.clear()
    django_user_model.objects.create_superuser("ann", password="secret-1")
    tomorrow = timezone.localtime(timezone=ZoneInfo(ZONE)) + timedelta(days=1)
    noon = tomorrow.replace(hour=12, minute=0, second=0, microsecond=0)

    # The browser is in another zone than the shop.
    with open_page(live_server.url, viewport=viewport, colors=colors, zone="America/New_York") as page:
        log_in(page)
        hand = Hand(page)
        product = create(hand, noon)
        assert product.sale_starts_at == noon.astimezone(UTC)
        run_sale(hand, product)

        # The next day, after noon.
        Product.objects.update(sale_starts_at=timezone.now() - timedelta(minutes=1))
        hold = HoldFactory(product=product, customer_id="zoe")
        unpaid = OrderFactory(product=product, customer_id="yan")
        paid = OrderFactory(product=product, quantity=2, customer_id="ann-77")
        receive(key="evt_1", order_id=paid.pk, payment_id="pay_1", amount="59.98", currency="USD")
        doubtful = OrderFactory(product=product, customer_id="xia")
        event = receive(key="evt_2", order_id=doubtful.pk, payment_id="pay_2", amount="30.99", currency="USD").event

        end_claims(hand, hold, unpaid)
        refund_half(hand, paid)
        settle(hand, event)
        find(hand, "find by customer", "ann-77", paid)
        find(hand, "find by payment", "pay_1", paid)
        rows = export(hand)

    assert hand.presses == PRESSES
    assert Stock.objects.values_list("total", "sold").get() == (550, 1)
    assert audit.find_drift() == []
    hold.refresh_from_db()
    assert hold.status == Hold.Status.RELEASED
    assert {row["Customer"]: row["Status"] for row in rows} == {
        "yan": "cancelled",
        "ann-77": "paid",
        "xia": "pending payment",
    }
    assert Payment.objects.get(payment_id="pay_1").amount_due == Decimal("29.99")
    assert Payment.objects.get(payment_id="pay_2").status == Payment.Status.REFUND_DUE

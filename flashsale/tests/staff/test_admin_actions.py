"""The admin in a browser: each action, each role's limits, export, import, and the first page during a sale."""

import csv
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import Group
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection

from catalog.models import Product, Stock
from catalog.tests.factories import ProductFactory
from checkout.models import Hold, Order
from checkout.tests.factories import HoldFactory, OrderFactory
from flashsale.outbox.tests.factories import DeliveryFactory
from flashsale.tests.support.browser import DESKTOP, PHONE, open_page
from flashsale.tests.support.processes import WAIT_SECONDS
from payments.models import Payment, WebhookEvent
from payments.tests.factories import receive

SHOPPERS, UNITS = 40, 25
ROLES = ("viewer", "operator", "manager")
# What each list offers to each role besides the export.
OFFERED = {
    "catalog/product/": {
        "viewer": set(), "operator": {"pause", "resume"},
        "manager": {"pause", "resume", "publish", "withdraw", "adjust_stock", "limit_queue"},
    },
    "catalog/stock/": {"viewer": set(), "operator": set(), "manager": {"adjust_stock"}},
    "checkout/hold/": {"viewer": set(), "operator": {"release"}, "manager": {"release"}},
    "checkout/order/": {
        "viewer": set(),
        "operator": {"ask_provider", "cancel", "refund"},
        "manager": {"ask_provider", "cancel", "refund"},
    },
    "payments/webhookevent/": {
        "viewer": set(), "operator": {"retry", "accept", "refund", "dismiss"},
        "manager": {"retry", "accept", "refund", "dismiss"},
    },
    "outbox/endpoint/": {
        "viewer": set(), "operator": set(),
        "manager": {"test", "replay", "enable", "disable", "rotate_secret", "delete"},
    },
    "outbox/delivery/": {"viewer": set(), "operator": set(), "manager": {"retry"}},
    "payments/payment/": {
        "viewer": set(), "operator": {"refund", "mark_refunded"}, "manager": {"refund", "mark_refunded"},
    },
}  # fmt: skip


def sign_in(page, name: str = "ann") -> None:
    page.goto("/admin/")
    page.fill("input[name=username]", name)
    page.fill("input[name=password]", "secret-1")
    page.click("button[type=submit]")
    page.wait_for_selector("#live-chart")


def choose(page, path: str, row, action: str) -> None:
    """Tick one row of a list and choose what to do with it, on the list that an action returned to where it is this."""
    if urlsplit(page.url).path != f"/admin/{path}":
        page.goto(f"/admin/{path}")
    page.locator(f"input.action-select[value='{row.pk}']:visible").first.check()
    page.select_option("select[name=action]", action)
    page.click("button[name=index]")


def decide(page, path: str, row, action: str, **given: str) -> str:
    """Carry an action out, as staff do; return what the page says afterwards."""
    choose(page, path, row, action)
    page.fill("textarea[name=note]", "Ticket 17")
    for name, value in given.items():
        page.fill(f"input[name={name}]", value)
    with page.expect_navigation():
        page.click("form:has(input[name=confirmed]) button[type=submit]")
    return page.inner_text("body")


@pytest.fixture
def ann(transactional_db, django_user_model):
    """A superuser."""
    cache.clear()
    return django_user_model.objects.create_superuser("ann", password="secret-1")


def doubtful(key: str) -> WebhookEvent:
    """An event whose amount is wrong."""
    return receive(key=key, order_id=OrderFactory().pk, payment_id=f"pay_{key}", amount="1.00").event


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_each_action_does_what_it_says_and_says_what_it_did(live_server, ann, viewport):
    product = ProductFactory(name="Widget", stock=50)
    hold, order, paid = (make(product=product) for make in (HoldFactory, OrderFactory, OrderFactory))
    receive(key="evt_paid", order_id=paid.pk, payment_id="pay_1")
    sold = OrderFactory(product=product, quantity=2)
    receive(key="evt_sold", order_id=sold.pk, payment_id="pay_2")
    accepted, given_back, dismissed = doubtful("evt_a"), doubtful("evt_b"), doubtful("evt_c")
    dead = receive(key="evt_dead", payment_id="pay_dead").event
    WebhookEvent.objects.filter(pk=dead.pk).update(status="dead")
    products, events = "catalog/product/", "payments/webhookevent/"

    with open_page(live_server.url, viewport=viewport) as page:
        sign_in(page)
        told = [
            (decide(page, products, product, "pause"), "Widget is paused."),
            (decide(page, products, product, "resume"), "Widget is no longer paused."),
            (decide(page, products, product, "withdraw"), "Widget is no longer published."),
            (decide(page, products, product, "publish"), "Widget is published."),
            (decide(page, products, product, "adjust_stock", delta="5"), "+5 units, 55 in all."),
            (decide(page, products, product, "limit_queue", rate_max="7"), "admits at most 7 buyers a second."),
            (decide(page, "catalog/stock/", product, "adjust_stock", delta="-500"), "units are committed"),
            (
                decide(page, "checkout/hold/", hold, "release"),
                f"Hold {hold} is released; its 1 unit is available again.",
            ),
            (decide(page, "checkout/hold/", hold, "release"), "Hold was released"),
            (
                decide(page, "checkout/order/", order, "cancel"),
                f"Order {order} is cancelled; its 1 unit is available again.",
            ),
            (decide(page, "checkout/order/", order, "cancel"), "The order is cancelled."),
            (
                decide(page, "checkout/order/", sold, "refund", amount="10", restock_units="1"),
                f"Order {sold}: refund of 10.00 USD requested, 1 unit put back on sale.",
            ),
            (decide(page, "checkout/order/", sold, "refund", amount="50"), "At most 49.98 USD can be refunded"),
            (
                decide(page, events, accepted, "accept"),
                "is paid, its 1 unit is sold. The payment of 1.00 USD is recorded as applied.",
            ),
            (
                decide(page, events, given_back, "refund"),
                "The payment of 1.00 USD is due for refund: staff decided to give it back.",
            ),
            (
                decide(page, events, dismissed, "dismiss"),
                "Event evt_c: Dismissed: no order, units or money were changed.",
            ),
            (decide(page, events, dead, "retry"), "Nothing was changed yet, it waits: its order is not placed yet."),
            (decide(page, events, accepted, "dismiss"), "It was decided meanwhile: it is applied, decided by ann."),
            (decide(page, "payments/payment/", Payment.objects.get(payment_id="pay_1"), "mark_refunded"), "refunded"),
        ]

    for text, expected in told:
        assert expected in text, text
    assert Stock.objects.get(pk=product.pk).total == 55
    assert Hold.objects.get(pk=hold.pk).status == "released"
    assert Order.objects.get(pk=order.pk).status == "cancelled"
    for event in (accepted, given_back, dismissed, dead):
        event.refresh_from_db()
    assert [event.status for event in (accepted, given_back, dismissed, dead)] == [
        "applied", "applied", "ignored", "parked"
    ]  # fmt: skip
    assert Payment.objects.get(payment_id="pay_evt_b").status == "refund_due"
    assert Payment.objects.get(payment_id="pay_1").status == "refunded"


@pytest.mark.parametrize("role", ROLES)
def test_a_role_is_offered_what_it_may_do_and_refused_the_rest(
    live_server,
    transactional_db,
    roles,
    django_user_model,
    role,
):
    cache.clear()
    person = django_user_model.objects.create_user("bob", password="secret-1", is_staff=True)
    person.groups.add(Group.objects.get(name=role))
    receive(key="evt_1", order_id=OrderFactory().pk, payment_id="pay_1")
    DeliveryFactory()

    with open_page(live_server.url) as page:
        sign_in(page, "bob")
        offered = {}
        for path in OFFERED:
            page.goto(f"/admin/{path}")
            names = page.eval_on_selector_all("select[name=action] option", "all => all.map(one => one.value)")
            offered[path] = set(names) - {"", "export_csv"}
        refused = [page.request.get(f"/admin/{path}").status for path in ("auth/user/add/", "checkout/order/add/")]
        may_add = page.request.get("/admin/catalog/product/import").status

    assert offered == {path: by_role[role] for path, by_role in OFFERED.items()}
    assert refused == [403, 403]
    assert (may_add == 200) is (role == "manager")


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_rows_are_downloaded_and_products_are_uploaded(live_server, ann, viewport, tmp_path):
    hold = HoldFactory(customer_id="=1+1")
    upload = tmp_path / "products.csv"
    upload.write_text("name,price,currency,stock\nGadget,12.50,EUR,7\n")

    with open_page(live_server.url, viewport=viewport) as page:
        sign_in(page)
        with page.expect_download() as download:
            choose(page, "checkout/hold/", hold, "export_csv")
        rows = list(csv.DictReader(Path(download.value.path()).read_text(encoding="utf-8-sig").splitlines()))
        page.goto("/admin/catalog/product/import")
        page.set_input_files("input[type=file]", upload)
        page.click("button:has-text('Preview')")
        page.wait_for_selector("text=1 product would be added")
        assert "12.50 EUR" in page.inner_text(".live-table")
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        page.click("text=Add and publish them")
        page.wait_for_selector("text=1 product was added and published: Gadget")

    assert [(row["Hold"], row["Customer"]) for row in rows] == [(str(hold.pk), "'=1+1")]
    assert Product.objects.get(name="Gadget").stock.total == 7


def test_the_first_page_follows_a_sale_while_it_runs(live_server, ann):
    outcome = []

    def simulate() -> None:
        try:
            call_command("simulate_sale", shoppers=SHOPPERS, stock=UNITS, url=live_server.url)
            outcome.append("every promise held")
        except SystemExit as error:
            outcome.append(f"exit {error.code}")
        finally:
            connection.close()

    sale = threading.Thread(target=simulate, daemon=True)
    with open_page(live_server.url) as page:
        sign_in(page)
        before = page.inner_text("#live")
        sale.start()
        page.wait_for_selector(f"#live .live-sale:has-text('Simulated sale of {UNITS} units')")
        page.wait_for_function("/[1-9]\\d* reserved/.test(document.getElementById('live').innerText)")
        page.wait_for_function("/[1-9]\\d* sold/.test(document.getElementById('live').innerText)")
        sale.join(WAIT_SECONDS)
        assert not sale.is_alive()
        page.wait_for_selector("#live:has-text('Nothing is on sale.')")
        refusals = page.evaluate("Chart.getChart('live-chart').data.datasets[2].data.reduce((a, b) => a + b, 0)")

    assert "Nothing is on sale." in before
    assert outcome == ["every promise held"]
    assert refusals > 0

"""The staff's pages in a browser, at desktop and phone width: no console error, no request to another host."""

import pytest
from django.contrib.sessions.models import Session
from django.core.cache import cache

from catalog.models import Stock
from catalog.tests.factories import ProductFactory
from checkout.models import Order
from checkout.tests.factories import HoldFactory, OrderFactory
from flashsale.outbox.models import Delivery, Endpoint, Event
from flashsale.outbox.tests.factories import DeliveryFactory
from flashsale.tests.support.browser import DESKTOP, PHONE, open_page
from payments.models import Payment, WebhookEvent
from payments.tests.factories import receive

PAGES = [
    "catalog/product/", "catalog/product/add/", "catalog/stock/", "catalog/stockadjustment/", "checkout/hold/",
    "checkout/order/", "payments/webhookevent/", "payments/payment/", "payments/paymentattempt/",
    "payments/refund/", "outbox/endpoint/", "outbox/endpoint/add/", "outbox/delivery/", "outbox/event/",
    "auth/user/", "auth/user/add/",
    "auth/group/", "django_celery_beat/periodictask/", "django_celery_beat/intervalschedule/",
    "rest_framework_api_key/apikey/", "rest_framework_api_key/apikey/add/", "otp_totp/totpdevice/",
    "password_change/",
]  # fmt: skip


@pytest.fixture
def shop(transactional_db, django_user_model):
    """Products on sale, an order with a history, and a member of staff."""
    cache.clear()
    django_user_model.objects.create_superuser("ann", password="secret-1")
    product = ProductFactory(name="Flash Sale Widget", stock=100)
    HoldFactory(product=product, quantity=3)
    order = OrderFactory(product=product, quantity=2)
    receive(key="evt_1", order_id=order.pk, payment_id="pay_1")
    receive(key="evt_2", order_id=order.pk, payment_id="pay_2")
    DeliveryFactory(event__resource_id=str(order.pk))
    return order


def sign_in(page) -> None:
    page.goto("/admin/")
    page.fill("input[name=username]", "ann")
    page.fill("input[name=password]", "secret-1")
    page.click("button[type=submit]")
    page.wait_for_selector("#live-chart")


def test_when_a_session_ends_the_page_becomes_the_log_in_and_leads_back(live_server, shop):
    with open_page(live_server.url) as page:
        sign_in(page)
        Session.objects.all().delete()
        page.wait_for_url("**/admin/login/?next=%2Fadmin%2F", timeout=15_000)
        page.fill("input[name=username]", "ann")
        page.fill("input[name=password]", "secret-1")
        page.click("button[type=submit]")
        page.wait_for_selector("#live-chart")


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_an_action_is_chosen_confirmed_and_answered(live_server, shop, viewport):
    with open_page(live_server.url, viewport=viewport) as page:
        sign_in(page)
        page.goto("/admin/catalog/stock/")
        page.locator("input.action-select:visible").first.check()
        page.select_option("select[name=action]", "adjust_stock")
        page.click("button[name=index]")
        page.fill("input[name=delta]", "-96")
        page.fill("textarea[name=note]", "Counted again")
        page.click("button:has-text('Adjust stock')")
        page.wait_for_selector("text=3 reserved and 2 sold units are committed")
        page.locator("input.action-select:visible").first.check()
        page.select_option("select[name=action]", "adjust_stock")
        page.click("button[name=index]")
        page.fill("input[name=delta]", "-95")
        page.fill("textarea[name=note]", "Counted again")
        page.click("button:has-text('Adjust stock')")
        page.wait_for_selector("text=5 in all")

    assert Stock.objects.get().total == 5


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_every_page_loads_without_errors(live_server, shop, viewport):
    with open_page(live_server.url, viewport=viewport) as page:
        sign_in(page)
        rows = [*WebhookEvent.objects.all(), *Payment.objects.all(), shop, shop.hold, shop.product]
        rows += [Endpoint.objects.get(), Delivery.objects.get(), Event.objects.get()]
        for path in PAGES + pages_of(*rows):
            assert page.goto(f"/admin/{path}").status == 200, path
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), path


def pages_of(*rows) -> list[str]:
    return [f"{row._meta.app_label}/{row._meta.model_name}/{row.pk}/change/" for row in rows]


def test_every_list_and_the_first_page_ask_the_database_a_bounded_number_of_times(
    admin_client, product, django_assert_max_num_queries
):
    for number in range(15):
        order = OrderFactory(product=ProductFactory(), quantity=1)
        receive(order_id=order.pk, payment_id=f"pay_{number}")
    assert Order.objects.count() == 15

    for path in PAGES[:14]:
        with django_assert_max_num_queries(12):
            admin_client.get(f"/admin/{path}")
    cache.clear()
    with django_assert_max_num_queries(14):
        admin_client.get("/admin/live/")
    with django_assert_max_num_queries(3):
        admin_client.get("/admin/live/")


def test_the_page_of_a_row_asks_the_database_a_bounded_number_of_times(
    admin_client, shop, django_assert_max_num_queries
):
    rows = [*WebhookEvent.objects.all(), *Payment.objects.all(), shop, shop.hold, shop.product, shop.product.stock]
    rows += [Endpoint.objects.get(), Delivery.objects.get(), Event.objects.get()]

    for path in pages_of(*rows):
        # The theme asks each field of a page for its value five times.
        with django_assert_max_num_queries(50):
            assert admin_client.get(f"/admin/{path}").status_code == 200

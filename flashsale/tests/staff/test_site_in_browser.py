"""The search, the menu and the enrolment of an authenticator app in a browser, at desktop and phone width."""

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.core.cache import cache
from django.utils import timezone
from django_otp.oath import totp
from django_otp.plugins.otp_totp.models import TOTPDevice
from rest_framework_api_key.models import APIKey

from catalog.tests.factories import ProductFactory
from checkout.tests.factories import OrderFactory
from flashsale.models import LoginFailure
from flashsale.tests.support.admin import admin_url
from flashsale.tests.support.browser import DESKTOP, PHONE, VIEWS, assert_fits, cut_off_in, log_in_as, open_page

SIZES = pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])


@pytest.fixture
def ann(transactional_db, django_user_model):
    """A superuser called ann with the password secret-1."""
    cache.clear()
    return django_user_model.objects.create_superuser("ann", password="secret-1")


@pytest.fixture
def order(ann):
    return OrderFactory(product=ProductFactory(name="Widget"), quantity=2, customer_id="customer-77")


@VIEWS
def test_an_order_is_found_by_its_short_id_with_the_keyboard(live_server, order, ann, viewport, colors):
    with open_page(live_server.url, viewport=viewport, colors=colors) as page:
        log_in_as(page, ann)
        page.goto("/admin/auth/group/")
        page.keyboard.press("Control+k")
        page.wait_for_selector("#search-input-command:focus")
        page.keyboard.type(order.pk.hex[:8])
        page.wait_for_selector(f"text={order.pk.hex[:8]}, 2 x Widget, customer-77")
        assert_fits(page)
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/admin/checkout/order/{order.pk}/change/")


@SIZES
def test_the_search_opens_with_a_click_and_closes_with_escape(live_server, ann, viewport):
    button = ".search-box" if viewport is DESKTOP else ".search-icon"
    with open_page(live_server.url, viewport=viewport) as page:
        log_in_as(page, ann)
        page.goto("/admin/auth/group/")
        page.click(button)
        page.wait_for_selector("#search-input-command:focus")
        page.keyboard.type("unknown")
        page.wait_for_selector("text=Nothing found for “unknown”")
        page.keyboard.press("Enter")
        page.keyboard.press("Escape")
        page.wait_for_selector("#search-input-command", state="hidden")
        assert_fits(page)


def test_a_result_is_chosen_with_the_arrows(live_server, ann):
    with open_page(live_server.url) as page:
        log_in_as(page, ann)
        page.goto("/admin/auth/group/")
        page.focus(".search-box")
        page.keyboard.press("Enter")
        page.wait_for_selector("#search-input-command:focus")
        page.keyboard.type("stock")
        page.wait_for_selector(".search-results")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        page.wait_for_url("**/admin/catalog/stockadjustment/")


def test_a_search_that_is_not_answered_says_so(live_server, ann, monkeypatch):
    with open_page(live_server.url) as page:
        log_in_as(page, ann)
        page.goto("/admin/auth/group/")
        page.route("**/admin/search/**", lambda route: route.fulfill(status=204))
        page.click(".search-box")
        page.evaluate("document.getElementById('search-input-command').dispatchEvent(new Event('htmx:response-error'))")
        page.wait_for_selector("text=The search was not answered.")


@SIZES
def test_rarely_used_pages_are_folded_away(live_server, ann, viewport):
    with open_page(live_server.url, viewport=viewport) as page:
        log_in_as(page, ann)
        page.goto("/admin/auth/group/")
        if viewport is PHONE:
            page.click("text=dock_to_right >> visible=true")
        page.wait_for_selector("#nav-sidebar-apps a:has-text('Webhook events')")
        hidden = not page.is_visible("#nav-sidebar-apps a:has-text('Intervals')")
        page.click("#nav-sidebar-apps h2:has-text('System')")
        page.click("#nav-sidebar-apps a:has-text('Intervals')")
        page.wait_for_url("**/admin/django_celery_beat/intervalschedule/")
        assert_fits(page)

    assert hidden


@VIEWS
def test_a_member_of_staff_enrols_an_app(live_server, ann, viewport, colors):
    with open_page(live_server.url, viewport=viewport, colors=colors) as page:
        log_in_as(page, ann)
        page.goto("/admin/two-factor/")
        page.fill("input[name=password]", "secret-1")
        page.click("button:has-text('Set up')")
        page.wait_for_selector("img.qr")
        width = page.evaluate("document.querySelector('img.qr').naturalWidth")
        assert_fits(page)
        device = TOTPDevice.objects.get()
        page.fill("input[name=code]", f"{totp(device.bin_key):06d}")
        page.click("button:has-text('Switch on')")
        page.wait_for_selector("text=Two-factor log-in is on.")
        assert_fits(page)

    assert width > 100
    assert TOTPDevice.objects.get().confirmed


def test_the_cards_of_a_phone_cut_nothing_off(live_server, order, ann):
    moment = timezone.now()
    User.objects.filter(pk=ann.pk).update(last_login=moment)
    LoginFailure.objects.create(name="ann", source="address 192.0.2.1", failures=1_000, last_at=moment)
    APIKey.objects.create_key(name="ERP", expiry_date=moment)
    TOTPDevice.objects.create(user=ann, name="phone", confirmed=True, last_used_at=moment)
    message = "Cancel. Order 8a757a3a, 2 x Widget, customer-77 is cancelled; its 2 units are available again."
    LogEntry.objects.log_actions(ann.pk, [order], CHANGE, change_message=message, single_object=True)
    cut_off = {}
    with open_page(live_server.url, viewport=PHONE) as page:
        log_in_as(page, ann)
        for model in (LoginFailure, User, APIKey, TOTPDevice, LogEntry):
            page.goto(admin_url(model, "changelist"))
            cut_off[model.__name__] = cut_off_in(page)
            assert_fits(page)

    assert {name: cells for name, cells in cut_off.items() if cells} == {}

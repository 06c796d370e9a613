"""Purchases in a browser: by a wrong clock, through reloads, tabs and a lost network, by keyboard and on a phone."""

import re
from datetime import timedelta

import pytest
from django.templatetags.static import static
from django.utils import timezone

from catalog.models import Product
from catalog.tests.factories import ProductFactory
from checkout.models import Hold, Order
from checkout.tests.factories import HoldFactory, let_hold_pass, let_order_pass
from flashsale.local_provider.running import running
from flashsale.tests.support.browser import assert_fits, open_page
from flashsale.tests.support.shop_page import (
    NARROW,
    REFUSALS,
    VIOLATIONS,
    WRONG_CLOCK,
    card,
    press_until,
    seconds,
    step,
)
from payments.tests.factories import receive


@pytest.fixture
def products(transactional_db):
    """A product on sale, one that is sold out, and one whose sale begins in two days."""
    starts_at = timezone.now() + timedelta(days=2, hours=1, minutes=30)
    sold_out = ProductFactory(name="Last Print", stock=1)
    HoldFactory(product=sold_out, quantity=1)
    return [
        ProductFactory(name="Flash Sale Widget"),
        sold_out,
        ProductFactory(name="Sneaker", sale_starts_at=starts_at),
    ]


def left(page):
    return seconds(page.inner_text("#purchase [role=timer]"))


def test_a_purchase_survives_a_wrong_clock_a_reload_the_back_button_and_a_second_tab(live_server, products):
    Product.objects.filter(pk=products[0].pk).update(image_url=live_server.url + static("flashsale/icon.svg"))
    with open_page(live_server.url, tolerated=REFUSALS) as page:
        page.context.add_init_script(WRONG_CLOCK + VIOLATIONS)
        page.goto("/")
        shown = seconds(card(page, "Sneaker").locator("[role=timer]").inner_text())
        expected = (products[2].sale_starts_at - timezone.now()).total_seconds()
        pictured = page.locator(".card", has=page.locator("img:not([hidden])")).locator("h2")
        pictured.wait_for()
        with_picture = pictured.all_inner_texts()
        states = {name: card(page, name).get_attribute("data-status") for name in ("Widget", "Print", "Sneaker")}
        card(page, "Widget").get_by_label("One more").click()
        card(page, "Widget").get_by_role("button", name="Buy").click()
        step(page, "held")
        hold = Hold.objects.get(product=products[0])
        hold_shown, hold_left = left(page), (hold.expires_at - timezone.now()).total_seconds()
        page.reload()
        step(page, "held")
        page.go_back()
        page.wait_for_selector("#bar:not([hidden])")
        other = page.context.new_page()
        other.goto("/#purchase")
        step(other, "held")
        other.click("[data-do=order]")
        page.click("#bar .button")
        step(page, "pending_payment")
        order = Order.objects.get()
        pay_shown, pay_left = left(page), (order.payment_due_at - timezone.now()).total_seconds()
        receive(key="evt_1", order_id=order.pk, payment_id="pay_1")
        step(page, "paid")
        step(other, "paid")
        receipt = page.inner_text("#purchase")
        page.click("[data-do=finish]")
        other.wait_for_selector("#shop:not([hidden])")
        violations = [*page.evaluate("violations"), *other.evaluate("violations")]

    assert states == {"Widget": "live", "Print": "sold_out", "Sneaker": "upcoming"}
    assert with_picture == ["Flash Sale Widget"]
    assert abs(shown - expected) <= 2
    assert abs(hold_shown - hold_left) <= 2
    assert abs(pay_shown - pay_left) <= 2
    assert str(order.pk) in receipt
    assert "$59.98" in receipt
    assert (Hold.objects.filter(product=products[0]).count(), order.quantity) == (1, 2)
    assert violations == []


@pytest.fixture
def provider(live_server, settings):
    """A local provider at which the shop makes its payments."""
    with running(webhook_url=f"{live_server.url}/api/v1/payments/webhooks/stripe") as local:
        settings.STRIPE_API_BASE, settings.STRIPE_LIVEMODE = local.url, False
        settings.STRIPE_API_KEY, settings.STRIPE_PUBLISHABLE_KEY = "sk_test_local", "pk_test_local"
        settings.STRIPE_WEBHOOK_SECRETS = ["whsec_local"]
        settings.SHOP_ID, settings.SHOP_MAKES_PAYMENTS = "shop-1", True
        yield local


@pytest.mark.parametrize("mode", ["intent", "checkout"])
def test_it_is_paid_on_the_providers_page_at_the_second_try(live_server, settings, provider, products, mode):
    settings.STRIPE_PAYMENT_MODE = mode
    with open_page(live_server.url, tolerated=REFUSALS, also=(provider.url,)) as page:
        page.add_init_script(VIOLATIONS)
        page.goto("/")
        card(page, "Widget").get_by_role("button", name="Buy").click()
        step(page, "held")
        page.click("[data-do=order]")
        page.get_by_role("button", name="Pay $29.99").click()
        page.get_by_role("button", name="Decline the card").click()
        page.get_by_role("button", name="Back to the shop").click()
        page.wait_for_selector("#purchase [role=alert]:has-text('nothing was charged')")
        declined_at, stored = page.url, page.evaluate("JSON.stringify(localStorage)")
        page.get_by_role("button", name="Pay $29.99").click()
        page.get_by_role("button", name="Pay 29.99").click()
        step(page, "paid")
        paid_at = page.url
        violations = page.evaluate("violations")

    assert declined_at == paid_at == f"{live_server.url}/#purchase"
    assert "secret" not in stored
    assert provider.url not in stored
    assert Order.objects.get().status == Order.Status.PAID
    assert violations == []


def test_a_lost_answer_and_a_lost_network_lead_to_the_same_hold_and_order(live_server, products):
    lost, is_online = set(), [True]

    def lose_the_first_answer(route):
        if route.request.url not in lost and is_online:
            lost.add(route.request.url)
            route.fetch()
            route.abort()
        else:
            route.continue_()

    with open_page(live_server.url, tolerated=REFUSALS) as page:
        page.route(re.compile(r"/api/v1/(holds|orders)$"), lose_the_first_answer)
        page.goto("/")
        card(page, "Widget").get_by_role("button", name="Buy").click()
        step(page, "held")
        page.context.set_offline(True)
        is_online.clear()
        page.click("[data-do=order]")
        page.wait_for_selector("#notice:has-text('No connection')")
        ordered_while_offline = Order.objects.count()
        page.context.set_offline(False)
        is_online.append(True)
        step(page, "pending_payment")
        page.wait_for_selector("#notice", state="hidden")
        let_order_pass(Order.objects.get())
        step(page, "expired")
        page.click("[data-do=finish]")
        card(page, "Widget").get_by_role("button", name="Buy").click()
        step(page, "held")
        let_hold_pass(Hold.objects.latest("created_at"))
        # The page may find out by itself, before a mouse gets there.
        page.evaluate("document.querySelector('[data-do=order]').click()")
        step(page, "lost")
        words = page.inner_text("#purchase")

    assert len(lost) == 2
    assert ordered_while_offline == 0
    assert (Hold.objects.filter(product=products[0]).count(), Order.objects.count()) == (2, 1)
    assert "Your time was over" in words


def test_by_keyboard_on_a_phone_what_is_refused_is_said_and_a_hold_is_given_back(live_server, products):
    with open_page(live_server.url, viewport=NARROW, colors="dark", tolerated=REFUSALS) as page:
        page.goto("/")
        card(page, "Widget").wait_for()
        assert_fits(page)
        HoldFactory(product=products[0], quantity=9)
        press_until(page, "input")
        page.keyboard.type("2")
        page.keyboard.press("Enter")
        page.wait_for_selector(".card [role=alert]:has-text('Only 1 left')")
        page.keyboard.press("Control+a")
        page.keyboard.type("1")
        page.keyboard.press("Enter")
        step(page, "held")
        heading = page.evaluate("document.activeElement.textContent")
        assert_fits(page)
        press_until(page, "[data-do=release]")
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        page.keyboard.press("Enter")
        press_until(page, "#sure [value=yes]")
        page.keyboard.press("Enter")
        page.wait_for_selector("#shop:not([hidden])")
        kept = page.evaluate("localStorage.getItem('flashsale.purchase')")

    assert heading == "Yours, for now"
    assert outline == "solid"
    assert kept == "null"
    assert Hold.objects.latest("created_at").status == Hold.Status.RELEASED

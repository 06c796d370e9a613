"""Staff judge and settle events, find orders, and read an order's story, in a browser at both widths."""

import pytest
from django.core.cache import cache

from catalog.tests.factories import ProductFactory
from checkout import orders
from checkout.models import Order
from checkout.tests.factories import HoldFactory
from flashsale.core.identifiers import short
from flashsale.tests.support.browser import DESKTOP, PHONE, VIEWS, log_in_as, open_page
from payments import refunds
from payments.models import Dispute, Payment, WebhookEvent
from payments.tests.factories import receive

WIDTHS = pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
EVENTS = "/admin/payments/webhookevent/"


@pytest.fixture
def ann(transactional_db, django_user_model):
    cache.clear()
    return django_user_model.objects.create_superuser("ann", password="secret-1")


def place(product) -> Order:
    return orders.place(hold_id=HoldFactory(product=product, quantity=2, customer_id="customer-77").pk)


def fits(page) -> bool:
    return page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@WIDTHS
@pytest.mark.parametrize(
    ("button", "will", "did", "status"),
    [
        ("Accept", "becomes paid and its 2 units, reserved now, will be sold", "its 2 units are sold", "applied"),
        ("Give the money back", "The payment of 30.99 USD becomes due for refund", "is due for refund", "applied"),
        ("Dismiss", "No order, units or money are changed", "Dismissed: no order", "ignored"),
    ],
)
def test_an_event_is_judged_and_settled_from_the_list(live_server, ann, viewport, button, will, did, status):
    order = place(ProductFactory(name="Widget"))
    receive(order_id=order.pk, payment_id="pay_1", amount="30.99", currency="USD", key="evt_1")

    with open_page(live_server.url, viewport=viewport) as page:
        log_in_as(page, ann)
        page.goto(f"{EVENTS}?status__exact=needs_review")
        listed = page.inner_text("#result_list")
        assert fits(page)
        page.click("#result_list a:has-text('evt_1')")
        page.wait_for_selector(f".page-button:has-text('{button}')")
        shown = page.inner_text("body")
        assert fits(page)
        page.click(f".page-button:has-text('{button}')")
        page.wait_for_selector("textarea[name=note]")
        asked = page.inner_text(".decide-rows")
        assert fits(page)
        page.fill("textarea[name=note]", "Ticket 17")
        with page.expect_navigation():
            page.click("form:has(input[name=confirmed]) button[type=submit]")
        answered = page.inner_text("body")

    assert "paid 30.99 USD, expected 59.98 USD" in listed
    assert f"{short(order.pk)}, 2 x Widget, customer-77" in listed
    assert f"{short(order.pk)}, 2 x Widget, customer-77: 59.98 USD, pending payment" in shown
    assert will in asked
    assert did in answered
    assert WebhookEvent.objects.get().status == status


@pytest.mark.parametrize(("viewport", "text"), [(DESKTOP, "customer-77"), (PHONE, "pay_1")], ids=["desktop", "phone"])
def test_an_order_is_found_by_customer_and_by_payment_id(live_server, ann, viewport, text):
    order = place(ProductFactory(name="Widget"))
    receive(order_id=order.pk, payment_id="pay_1")

    with open_page(live_server.url, viewport=viewport) as page:
        log_in_as(page, ann)
        page.goto("/admin/checkout/order/")
        page.fill("input[name=q]", text)
        with page.expect_navigation():
            page.press("input[name=q]", "Enter")
        assert fits(page)
        with page.expect_navigation():
            page.click(f"#result_list a:has-text('{short(order.pk)}')")
        assert str(order.pk) in page.inner_text("body")


@VIEWS
def test_a_story_with_all_that_can_happen_is_read(live_server, ann, django_user_model, viewport, colors):
    order = place(ProductFactory(name="Widget"))
    receive(order_id=order.pk, payment_id="pay_1", amount="59.98", currency="USD", key="evt_paid")
    receive(order_id=order.pk, payment_id="pay_9", status="failed", amount="59.98", currency="USD", key="evt_declined")
    payment = Payment.objects.get()
    bob = django_user_model.objects.create_superuser("bob", password="secret-1")
    refunds.request(order.pk, amount=payment.amount, restock_units=1, staff=bob, note="Ticket 17")
    refunds.mark_refunded(payment, staff=bob, note="By bank transfer")
    Dispute.objects.create(
        payment=payment, dispute_id="dp_1", amount=payment.amount, currency="USD", reason="fraudulent", status="open",
        created_at=payment.created_at, as_of=payment.created_at,
    )  # fmt: skip
    bob_key = bob.pk
    bob.delete()

    with open_page(live_server.url, viewport=viewport, colors=colors) as page:
        log_in_as(page, ann)
        page.goto(f"/admin/checkout/order/{order.pk}/change/")
        story = page.inner_text(".live-story")
        is_open = page.locator(".story-document pre").first.is_visible()
        page.click(".story-document summary >> nth=0")
        body = page.locator(".story-document pre").first.inner_text()
        assert fits(page)
        with page.expect_navigation():
            page.click(".live-story a:has-text('dp_1')")
        with page.expect_navigation():
            page.click("a:has-text('2 x Widget, customer-77')")
        assert page.url.endswith(f"/admin/checkout/order/{order.pk}/change/")

    told = [
        f"Hold {order.hold_id} placed by customer-77", "Ordered: 59.98 USD", "Event evt_paid applied: paid the order",
        "Event evt_declined ignored: another try to pay failed", "Dispute dp_1 of 59.98 USD about payment pay_1 opened",
        f"bob (deleted account {bob_key}), payment pay_1: refund of 59.98 USD requested, 1 unit put back on sale",
        f"bob (deleted account {bob_key}), payment pay_1: 59.98 USD recorded as given back", "By bank transfer",
    ]  # fmt: skip
    assert [line for line in told if line not in story] == []
    assert not is_open
    assert '"payment_id": "pay_1"' in body

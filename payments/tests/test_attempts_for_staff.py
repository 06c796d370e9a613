"""Staff see the payments that the shop makes, without what pays them, and let the shop ask the provider now."""

import html

import pytest
from django.contrib.admin.models import LogEntry

from checkout.models import Order
from checkout.tests.factories import OrderFactory
from flashsale.tests.support.admin import admin_url, decide, messages_of
from payments.models import PaymentAttempt
from payments.tests.support.attempts import let_attempt_pass, start

pytestmark = pytest.mark.django_db
ASKED = "the provider is asked, unless it was asked just now; the order shows what it said."
RETURN_URL = "https://shop.example/back"


@pytest.fixture
def order(db) -> Order:
    return OrderFactory(quantity=2, product__price="29.99", product__currency="USD")


@pytest.fixture
def attempt(api, provider, order, settings) -> PaymentAttempt:
    """A session of hosted checkout that can be paid."""
    settings.STRIPE_PAYMENT_MODE, settings.PAYMENT_RETURN_HOSTS = "checkout", ["shop.example"]
    response = start(api, order, return_url=RETURN_URL)
    assert response.status_code == 201, response.content
    attempt = PaymentAttempt.objects.get()
    assert attempt.url
    return attempt


def page(client, path: str, **query: str) -> str:
    response = client.get(path, query)
    body = b"".join(response.streaming_content) if response.streaming else response.content
    return html.unescape(body.decode())


def test_no_page_list_or_file_shows_what_pays_or_where(admin_client, attempt):
    for path in (
        admin_url(PaymentAttempt, "changelist"),
        admin_url(PaymentAttempt, "change", attempt.pk),
        admin_url(PaymentAttempt, "export"),
        admin_url(Order, "change", attempt.order_id),
    ):
        shown = page(admin_client, path)
        assert attempt.object_id in shown
        assert attempt.url not in shown
        assert RETURN_URL not in shown
        assert "/pay/" not in shown


def test_the_story_of_an_order_tells_its_attempts(admin_client, attempt):
    shown = page(admin_client, admin_url(Order, "change", attempt.order_id))

    assert "of 59.98 USD begun at stripe, to be paid until" in shown
    assert f"was handed to the buyer, {attempt.object_id}." in shown
    assert "Payment attempts now" in shown


def test_an_order_and_its_attempt_are_found_by_the_providers_id(admin_client, attempt):
    found = admin_client.get("/admin/search/", {"s": attempt.object_id}).context["results"]

    assert [result.url for result in found] == [admin_url(Order, "change", attempt.order_id)]
    for model, row in ((Order, attempt.order), (PaymentAttempt, attempt)):
        for text in (attempt.object_id, str(attempt.order_id), str(attempt.order.hold_id)):
            rows = admin_client.get(admin_url(model, "changelist"), {"q": text}).context["cl"].result_list
            assert list(rows) == [row]


def test_staff_let_the_shop_ask_the_provider_now(admin_client, attempt, provider):
    provider.pay(attempt.object_id)
    provider.take_webhooks()
    let_attempt_pass(attempt, seconds=60)
    assert "/act/ask_provider/" in page(admin_client, admin_url(Order, "change", attempt.order_id))

    response = decide(admin_client, attempt.order, "ask_provider")

    assert messages_of(response) == [f"{attempt.order}: {ASKED}"]
    assert Order.objects.get().status == "paid"
    assert ASKED in LogEntry.objects.latest("pk").get_change_message()
    assert "/act/ask_provider/" not in page(admin_client, admin_url(Order, "change", attempt.order_id))


def test_without_anything_to_ask_about_the_provider_is_not_asked(admin_client, provider, order):
    assert "/act/ask_provider/" not in page(admin_client, admin_url(Order, "change", order.pk))

    decide(admin_client, order, "ask_provider")

    assert provider.received() == []


def test_many_orders_at_once_are_not_asked_about(admin_client, product):
    orders = [OrderFactory(product=product, quantity=1) for _ in range(10)]
    orders.append(OrderFactory(quantity=1))

    response = admin_client.post(
        admin_url(Order, "changelist"),
        {"action": "ask_provider", "_selected_action": [order.pk for order in orders]},
        follow=True,
    )

    assert messages_of(response) == ["At most 10 orders are asked about at once. Nothing was asked."]

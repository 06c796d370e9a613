"""Staff pages: everything is there to look at, and nothing there writes counters or statuses."""

import pytest
from django.contrib.admin import site
from django.urls import reverse

from catalog.models import Product, Stock, StockAdjustment
from catalog.tests.factories import ProductFactory
from checkout.models import Hold, Order
from payments.models import Payment, WebhookEvent
from payments.tests.factories import receive

MODELS = [Product, Stock, StockAdjustment, Hold, Order, WebhookEvent, Payment]
READ_ONLY = [Stock, StockAdjustment, Hold, Order, WebhookEvent, Payment]


@pytest.fixture
def paid_order(order):
    """An order that was paid, so that every model has a row."""
    receive(order_id=order.pk, payment_id="pay_1")
    return order


def _url(model, page: str, *args) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


@pytest.mark.parametrize("model", MODELS)
def test_every_model_has_a_list_a_search_and_a_page(admin_client, paid_order, model):
    row = model.objects.first()

    assert model in site._registry
    assert admin_client.get(_url(model, "changelist")).status_code == 200
    assert admin_client.get(_url(model, "change", row.pk)).status_code == 200
    if site._registry[model].search_fields:
        assert admin_client.get(_url(model, "changelist"), {"q": "abc"}).status_code == 200


@pytest.mark.parametrize("model", READ_ONLY)
def test_what_the_domain_writes_can_only_be_looked_at(admin_client, paid_order, model):
    row = model.objects.first()
    before = model.objects.values().get(pk=row.pk)

    assert admin_client.get(_url(model, "add")).status_code == 403
    assert admin_client.post(_url(model, "change", row.pk), {"status": "paid", "sold": 9}).status_code == 403
    assert admin_client.post(_url(model, "delete", row.pk), {"post": "yes"}).status_code == 403
    assert model.objects.values().get(pk=row.pk) == before


def test_a_product_is_added_with_its_opening_stock(admin_client, admin_user):
    fields = {"name": "Widget", "price": "10.00", "currency": "EUR", "max_per_hold": 5, "opening_stock": 40}

    response = admin_client.post(_url(Product, "add"), fields)

    assert response.status_code == 302, response.context["errors"]
    assert Stock.objects.get().total == 40
    adjustment = StockAdjustment.objects.get()
    assert (adjustment.delta, adjustment.made_by) == (40, admin_user)


@pytest.mark.parametrize(("currency", "price"), [("XYZ", "10.00"), ("JPY", "10.50"), ("USD", "0"), ("USD", "1.001")])
def test_a_price_that_cannot_be_paid_is_refused_in_words(admin_client, currency, price):
    fields = {"name": "Widget", "price": price, "currency": currency, "max_per_hold": 5, "opening_stock": 1}

    response = admin_client.post(_url(Product, "add"), fields)

    assert response.status_code == 200
    assert response.context["errors"]
    assert not Product.objects.exists()


def test_L14_a_product_cannot_be_deleted(admin_client, db):
    product = ProductFactory()

    assert admin_client.post(_url(Product, "delete", product.pk), {"post": "yes"}).status_code == 403
    assert Product.objects.exists()


def test_a_stranger_sees_the_sign_in_page_only(client, db):
    for model in MODELS:
        assert client.get(_url(model, "changelist")).status_code == 302

"""What a token changes is told by its name in the histories that staff read, also once the token is gone."""

import pytest
from django.utils.html import escape
from rest_framework_api_key.models import APIKey

from catalog import inventory, products
from catalog.models import Product, StockAdjustment
from checkout.models import Order
from flashsale.core import acting
from flashsale.tests.support.admin import admin_url

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_orders_page_names_the_token_and_its_note(erp, admin_client, order):
    erp.post(f"/orders/{order.pk}/cancel", {"note": "Asked by mail"})
    APIKey.objects.all().delete()

    page = admin_client.get(admin_url(Order, "change", order.pk)).text

    assert "API token ERP: Cancelled. Note: Asked by mail" in page
    history = admin_client.get(admin_url(Order, "history", order.pk)).text
    assert "<td>API token ERP</td>" in history
    assert "<td>Cancelled. Note: Asked by mail</td>" in history


def test_a_products_history_and_the_list_of_adjustments_name_the_token(admin_client, product):
    with acting.by_token("ERP"):
        products.pause(product.pk)
        inventory.adjust(product_id=product.pk, delta=-3, reason="Counted again")
    products.resume(product.pk)

    page = admin_client.get(admin_url(Product, "change", product.pk)).text
    adjustments = admin_client.get(admin_url(StockAdjustment, "changelist")).text

    assert "API token ERP: paused at" in page
    assert escape("API token ERP: stock 10 → 7 (-3: Counted again)") in page
    assert "outside the admin: resumed" in page
    assert "API token ERP" in adjustments
    assert acting.token_name() == ""


@pytest.mark.parametrize("row_id", ["0", "x", "9" * 30])
def test_the_history_of_a_row_that_is_not_there_leads_back(admin_client, row_id):
    for model in ("catalog/product", "checkout/order"):
        assert admin_client.get(f"/admin/{model}/{row_id}/history/").status_code == 302

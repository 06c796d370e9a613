"""The history of a row: who changed which value, when, from what to what."""

from decimal import Decimal

import pytest

from catalog.models import Product
from catalog.tests.factories import ProductFactory
from flashsale.tests.support.admin import admin_url, decide


@pytest.mark.django_db(transaction=True)
def test_the_history_shows_who_changed_what_in_the_admin(admin_client, admin_user):
    product = ProductFactory(name="Widget", price=Decimal("10.00"))
    fields = {"name": "Better widget", "price": "12.00", "currency": "USD", "max_per_hold": 5}

    admin_client.post(admin_url(Product, "change", product.pk), fields)
    decide(admin_client, product, "pause", note="Ticket 17")
    page = admin_client.get(admin_url(Product, "change", product.pk)).content.decode()

    assert f"{admin_user}: name Widget &rarr; Better widget, price 10.000 &rarr; 12.000" in page
    assert f"{admin_user}: paused_at - &rarr; " in page


@pytest.mark.django_db(transaction=True)
def test_the_history_shows_changes_made_outside_the_admin(admin_client):
    product = ProductFactory(max_per_hold=10)

    Product.objects.update(max_per_hold=3)

    page = admin_client.get(admin_url(Product, "change", product.pk)).content.decode()
    assert "(not in the admin): max_per_hold 10 &rarr; 3" in page

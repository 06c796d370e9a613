"""The history of a product: who changed which value, when, from what to what."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.utils.html import escape

from catalog import inventory
from catalog.models import Product
from catalog.tests.factories import ProductFactory
from flashsale.tests.support.admin import admin_url, decide
from flashsale.tests.support.forms import filled_in

pytestmark = pytest.mark.django_db(transaction=True)


def page_of(client, product) -> str:
    return client.get(admin_url(Product, "change", product.pk)).content.decode()


def edit(client, product, **given) -> None:
    url = admin_url(Product, "change", product.pk)
    answer = client.post(url, filled_in(client.get(url), holding="price", **given))
    assert answer.status_code == 302, answer.context["errors"]


def test_the_history_shows_who_changed_what_in_the_admin(admin_client, admin_user, settings):
    settings.TIME_ZONE = "Africa/Cairo"
    product = ProductFactory(name="Widget", price=Decimal("10.00"))

    edit(
        admin_client, product, name="Better widget", price="12.00", sale_ends_at_0="2026-11-27", sale_ends_at_1="12:00"
    )
    decide(admin_client, product, "pause", note="Ticket 17")
    decide(admin_client, product, "resume")
    decide(admin_client, product, "withdraw")
    decide(admin_client, product, "adjust_stock", delta="-4", note="Counted again")
    page = page_of(admin_client, product)

    edited = (
        "Name Widget → Better widget; Price 10.00 USD → 12.00 USD; Sale ends - → 2026-11-27 12:00:00 EET (10:00:00 UTC)"
    )
    assert f"{admin_user}: {edited}" in page
    assert f"{admin_user}: paused at 20" in page
    assert f"{admin_user}: resumed" in page
    assert f"{admin_user}: withdrawn" in page
    assert escape(f"{admin_user}: stock 10 → 6 (-4: Counted again)") in page


def test_the_history_shows_changes_made_outside_the_admin(admin_client):
    product = ProductFactory(max_per_hold=10, price=Decimal(12000), currency="JPY", stock=5)

    Product.objects.update(max_per_hold=3, price=Decimal(13000))
    inventory.adjust(product_id=product.pk, delta=2, reason="Delivery")

    page = page_of(admin_client, product)
    assert "outside the admin: Price 12000 JPY → 13000 JPY; Most units in one hold 10 → 3" in page
    assert "outside the admin: stock 5 → 7 (+2: Delivery)" in page


def test_the_history_is_bounded(admin_client, monkeypatch):
    monkeypatch.setattr("catalog.versions.MAX_SHOWN", 3)
    product = ProductFactory()
    for number in range(5):
        Product.objects.update(name=f"Widget {number}")

    page = page_of(admin_client, product)

    assert page.count("outside the admin: Name") == 3
    assert "Widget 3 → Widget 4" in page


def saved_over(client, product, **given):
    """Open the page, let another member of staff change the product, and save what was opened."""
    url = admin_url(Product, "change", product.pk)
    opened = client.get(url)
    Product.objects.filter(pk=product.pk).update(price=Decimal("24.99"), max_per_customer=3)
    return url, client.post(url, filled_in(opened, holding="price", **given))


def test_a_form_saved_over_another_change_is_refused_with_both_values(admin_client):
    product = ProductFactory(price=Decimal("29.99"), max_per_customer=2)

    _, answer = saved_over(admin_client, product, price="27.99")

    errors = answer.context["adminform"].form.errors
    assert errors["price"] == ["A program changed this from 29.99 USD to 24.99 USD. You entered 27.99 USD."]
    assert errors["max_per_customer"] == ["A program changed this from 2 to 3. The form holds the new value now."]
    assert "nothing was saved" in str(errors["__all__"])
    product.refresh_from_db()
    assert (product.price, product.max_per_customer) == (Decimal("24.99"), 3)


def test_saving_again_keeps_what_was_entered_and_what_another_person_changed(admin_client):
    product = ProductFactory(price=Decimal("29.99"), max_per_customer=2)

    url, refused = saved_over(admin_client, product, price="27.99")
    saved = admin_client.post(url, filled_in(refused, holding="price"))

    assert saved.status_code == 302
    product.refresh_from_db()
    assert (product.price, product.max_per_customer) == (Decimal("27.99"), 3)


def test_the_refusal_names_the_colleague_and_adopts_a_time(admin_client, new_admin_client, settings, admin_user):
    settings.TIME_ZONE = "Africa/Cairo"
    product = ProductFactory()
    url = admin_url(Product, "change", product.pk)
    opened = admin_client.get(url)
    edit(new_admin_client(), product, sale_starts_at_0="2026-11-27", sale_starts_at_1="12:00")

    refused = admin_client.post(url, filled_in(opened, holding="price", name="Other"))
    saved = admin_client.post(url, filled_in(refused, holding="price"))

    [error] = refused.context["adminform"].form.errors["sale_starts_at"]
    assert error.endswith(
        "changed this from - to 2026-11-27 12:00:00 EET (10:00:00 UTC). The form holds the new value now."
    )
    assert saved.status_code == 302
    product.refresh_from_db()
    assert (product.name, product.sale_starts_at) == ("Other", datetime(2026, 11, 27, 10, tzinfo=UTC))


def test_a_pause_meanwhile_is_no_conflict(admin_client):
    product = ProductFactory()
    url = admin_url(Product, "change", product.pk)
    opened = admin_client.get(url)
    decide(admin_client, product, "pause")

    saved = admin_client.post(url, filled_in(opened, holding="price", name="Other"))

    assert saved.status_code == 302
    product.refresh_from_db()
    assert product.name == "Other"
    assert product.paused_at


@pytest.mark.parametrize("version", ["", "x", "0", "-1", "9" * 30])
def test_a_page_without_a_version_is_saved(admin_client, version):
    product = ProductFactory()
    url = admin_url(Product, "change", product.pk)

    sent = filled_in(admin_client.get(url), holding="price", name="Other", version_shown=version)

    assert admin_client.post(url, sent).status_code == 302

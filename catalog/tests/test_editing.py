"""Products are added unpublished, and an edit never overwrites one that its editor has not seen."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError

from catalog import inventory, products
from catalog.admin.wording import LABELS
from catalog.models import Product, StockAdjustment
from catalog.tests.factories import ProductFactory
from flashsale.core.refusals import NotFound
from flashsale.tests.support.admin import admin_url
from flashsale.tests.support.forms import filled_in

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def product(db) -> Product:
    return ProductFactory(name="Widget", price=Decimal("29.90"), sale_starts_at=NOON)


def edited(product: Product, **changes) -> Product:
    return products.edit(product.pk, expected=[products.version_of(product)], changes=changes)


def test_a_product_is_added_without_being_published(client, db):
    product = products.add_unpublished(name="Widget", price=Decimal(1), currency="usd", stock=7)

    assert client.get(f"/api/v1/products/{product.pk}").status_code == 404
    stored = Product.objects.get()
    assert (stored.is_published, stored.currency, stored.stock.total) == (False, "USD", 7)
    assert StockAdjustment.objects.get().delta == 7


def test_an_edit_changes_what_it_names_and_the_version(product):
    before = products.version_of(product)

    result = edited(product, price=Decimal(12), currency="eur", sale_ends_at=NOON + timedelta(hours=1))

    stored = Product.objects.get()
    assert (stored.name, stored.price, stored.currency) == ("Widget", 12, "EUR")
    assert stored.sale_ends_at == NOON + timedelta(hours=1)
    assert products.version_of(stored) == products.version_of(result) != before


def test_an_edit_that_changes_nothing_writes_nothing(product):
    result = edited(product, name="Widget", price=Decimal("29.900"))

    assert result.updated_at == Product.objects.get().updated_at == product.updated_at


def test_equal_values_have_equal_versions_however_they_are_written(product):
    written = Product(
        name="Widget", price=Decimal("29.9"), currency="USD",
        sale_starts_at=NOON.astimezone(timezone(timedelta(hours=5))),
    )  # fmt: skip

    assert products.version_of(written) == products.version_of(Product.objects.get())


def test_neither_counters_nor_publishing_nor_pausing_change_the_version(product):
    products.pause(product.pk)
    products.withdraw(product.pk)
    inventory.adjust(product_id=product.pk, delta=5, reason="Delivery")

    assert edited(product, name="Better widget").name == "Better widget"


def test_an_edit_of_an_older_version_is_refused(product):
    edited(product, name="Better widget")

    with pytest.raises(products.ChangedMeanwhile):
        edited(product, description="Nice")

    stored = Product.objects.get()
    assert (stored.name, stored.description) == ("Better widget", "")


def test_an_edit_may_accept_any_version_and_any_of_several(product):
    stale = products.version_of(product)
    current = products.version_of(edited(product, name="Better widget"))

    products.edit(product.pk, expected=None, changes={"name": "Best widget"})
    with pytest.raises(products.ChangedMeanwhile):
        products.edit(product.pk, expected=[stale, current], changes={"name": "Worst widget"})
    products.edit(product.pk, expected=[stale, products.version_of(Product.objects.get())], changes={"name": "Last"})

    assert Product.objects.get().name == "Last"


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"name": ""}, {"name"}),
        ({"price": Decimal("0"), "max_per_hold": 0}, {"price", "max_per_hold"}),
        ({"currency": "JPY"}, {"price"}),
        ({"sale_ends_at": NOON}, {"sale_ends_at"}),
    ],
)
def test_what_the_admins_form_refuses_is_refused_by_name(product, changes, wrong):
    with pytest.raises(ValidationError) as refused:
        edited(product, **changes)

    assert wrong <= set(refused.value.message_dict)
    assert products.version_of(Product.objects.get()) == products.version_of(product)


def test_what_does_not_exist_is_not_found(db):
    with pytest.raises(NotFound):
        products.edit(7, expected=None, changes={"name": "Widget"})


def test_the_admins_form_edits_the_same_columns_and_refuses_an_edit_that_its_page_did_not_show(admin_client, product):
    url = admin_url(Product, "change", product.pk)
    fields = filled_in(admin_client.get(url), holding="name", name="Staff's widget")
    edited(product, name="Better widget")

    answer = admin_client.post(url, fields)

    assert "changed this from Widget to Better widget. You entered Staff" in answer.content.decode()
    assert Product.objects.get().name == "Better widget"
    assert tuple(LABELS) == products.EDITABLE

"""A product's SKU and the address of its picture: the same rules at every entrance, and no SKU twice."""

import pytest
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError
from django.db import IntegrityError
from django.urls import reverse

from catalog import products
from catalog.imports import files
from catalog.models import Product
from catalog.tests.factories import ProductFactory
from flashsale.core.submissions import once
from flashsale.tests.support.admin import admin_url, messages_of
from flashsale.tests.support.commands import run
from flashsale.tests.support.forms import filled_in
from flashsale.tests.support.racing import Meeting, at_once, counts, times, without_advisory_locks

WIDGET = {"name": "Widget", "price": 1, "currency": "USD", "stock": 1}
COMMAND = ("add_product", "--name", "Widget", "--price", "1", "--currency", "USD", "--stock", "1")
TAKEN = "Another product has this SKU."
HEADER = "name,price,currency,stock,sku"
WRONG_URLS = (
    "picture.png", "/picture.png", "//host.example/a.png", "javascript:alert(1)", "data:image/png;base64,AA", "https://",
    "ftp://host.example/a.png", "https:///a.png", "https://user:secret@host.example/a.png", "http://[::1",
    "https://host.example/a b.png", "https://host.example/\n", f"https://host.example/{'a' * 2000}",
)  # fmt: skip


def upload(client, *lines: str):
    content = "\n".join([HEADER, *lines]).encode()
    file = SimpleUploadedFile("products.csv", content)
    return client.post(reverse("admin:catalog_product_import_csv"), {"file": file})


@pytest.mark.parametrize(
    "sku", ["A", "x" * 64, "a b", "Größe-M", "\u7d05 1", "=1+1", "' OR 1=1 --"], ids=lambda sku: sku[:12]
)
def test_a_sku_is_any_printable_text_and_is_kept_as_it_is(api, db, sku):
    product = ProductFactory(sku=sku, image_url="https://images.example.com/a.png?size=1#x")

    shown = api.get(f"/api/v1/products/{product.pk}").json()

    assert (shown["sku"], shown["image_url"]) == (sku, "https://images.example.com/a.png?size=1#x")


@pytest.mark.parametrize(
    ("column", "text"),
    [
        *(("sku", sku) for sku in ("x" * 65, " a", "a ", "\u00a0a", "a\tb", "a\nb", "a\x85b", "a\u200bb", "\x7f")),
        *(("image_url", url) for url in WRONG_URLS),
    ],
)  # fmt: skip
def test_any_other_text_is_refused_by_name(db, column, text):
    with pytest.raises(ValidationError) as refused:
        products.add(**WIDGET, **{column: text})

    assert set(refused.value.message_dict) == {column}
    assert not Product.objects.exists()


def test_empty_texts_are_none_and_any_number_of_products_may_have_none(db):
    for add in (products.add, products.add_unpublished):
        add(**WIDGET, sku="", image_url="")
    products.add_all([WIDGET | {"sku": "", "image_url": ""}] * 2)
    run(*COMMAND)

    assert set(Product.objects.values_list("sku", "image_url")) == {(None, None)}


def test_skus_differ_by_their_case(db):
    ProductFactory(sku="a-1")

    assert ProductFactory(sku="A-1").sku == "A-1"


@pytest.mark.parametrize("add", [products.add, products.add_unpublished])
def test_a_sku_that_a_product_has_is_refused(db, add):
    other = ProductFactory(sku="A-1")
    edited = ProductFactory(sku="B-1")

    with pytest.raises(ValidationError, match=TAKEN):
        add(**WIDGET, sku="A-1")
    with pytest.raises(ValidationError, match=TAKEN):
        products.edit(edited.pk, expected=None, changes={"sku": "A-1"})
    with pytest.raises(ValidationError, match=r"Other products have these SKUs: A-1\."):
        products.add_all([WIDGET | {"sku": "C-1"}, WIDGET | {"sku": "A-1"}])
    with pytest.raises(ValidationError, match=r"Other products have these SKUs: C-1\."):
        products.add_all([WIDGET | {"sku": "C-1"}] * 2)
    products.edit(other.pk, expected=None, changes={"sku": "A-1", "name": "The same SKU"})

    assert sorted(Product.objects.values_list("sku", flat=True)) == ["A-1", "B-1"]


def test_the_command_says_that_a_sku_is_used(db):
    run(*COMMAND, "--sku", "A-1", "--image-url", "https://host.example/a.png")

    with pytest.raises(CommandError, match=f"sku: {TAKEN}"):
        run(*COMMAND, "--sku", "A-1")
    with pytest.raises(CommandError, match="image_url: This must be a whole address"):
        run(*COMMAND, "--image-url", "a.png")

    product = Product.objects.get()
    assert (product.sku, product.image_url) == ("A-1", "https://host.example/a.png")


def test_the_admins_forms_say_that_a_sku_is_used(admin_client):
    ProductFactory(sku="A-1")
    edited = ProductFactory()
    fields = {
        "name": "W", "price": "1", "currency": "USD", "max_per_hold": "1", "opening_stock": "1",
        "sku": "A-1",
    }  # fmt: skip
    page = admin_url(Product, "change", edited.pk)

    added = admin_client.post(admin_url(Product, "add"), fields)
    changed = admin_client.post(page, filled_in(admin_client.get(page), holding="name", sku="A-1"))

    for answer in (added, changed):
        assert answer.context["adminform"].form.errors == {"sku": [TAKEN]}
    saved = admin_client.post(page, filled_in(admin_client.get(page), holding="name", sku=" B-1 "))
    assert (saved.status_code, Product.objects.get(pk=edited.pk).sku) == (302, "B-1")
    assert "SKU - \u2192 B-1" in admin_client.get(page).content.decode()


def test_the_import_names_the_lines_whose_sku_is_used(admin_client):
    ProductFactory(sku="A-1")

    shown = upload(admin_client, "A,1,USD,1,A-1", "B,1,USD,1,B-1", "C,x,USD,1,B-1", "D,1,USD,1,", "E,1,USD,1,b-1")

    assert [(row.number, row.faults) for row in shown.context["file"].rows if row.faults] == [
        (2, [f"sku: {TAKEN}"]),
        (4, ["price: Enter a number.", "sku: Line 3 has the same one."]),
    ]
    assert Product.objects.count() == 1


def test_an_import_whose_sku_was_given_meanwhile_adds_nothing(admin_client, monkeypatch):
    shown = upload(admin_client, "A,1,USD,1,A-1", "B,1,USD,1,B-1")
    ProductFactory(sku="B-1")
    form = filled_in(shown, holding=once.FIELD)

    before = admin_client.post(reverse("admin:catalog_product_import_csv"), form, follow=True)
    # The other product comes after the lines were read.
    monkeypatch.setattr(files.skus, "in_use", lambda found, seen=[], in_use=files.skus.in_use: (
        in_use(found) if seen else seen.append(found) or set()
    ))  # fmt: skip
    after = admin_client.post(reverse("admin:catalog_product_import_csv"), form, follow=True)

    meanwhile = "Nothing was added: other products were added or changed meanwhile."
    assert messages_of(before) == [f"{meanwhile} Line 3: sku: {TAKEN}"]
    assert messages_of(after) == [f"{meanwhile} Other products have these SKUs: B-1."]
    assert Product.objects.count() == 1


def _same_sku_at_once(monkeypatch) -> dict[str, int]:
    meeting = Meeting(4)
    monkeypatch.setattr(Product, "save", meeting.before(Product.save))
    return counts(at_once(*times(4, lambda: products.add(**WIDGET, sku="A-1"))))


@pytest.mark.django_db(transaction=True)
def test_of_products_added_at_once_one_has_the_sku(monkeypatch):
    assert _same_sku_at_once(monkeypatch) == {"Product": 1, "ValidationError": 3}


@pytest.mark.django_db(transaction=True)
def test_control_without_the_lock_on_skus_the_constraint_refuses_the_others(monkeypatch):
    without_advisory_locks(monkeypatch)

    assert _same_sku_at_once(monkeypatch) == {"Product": 1, IntegrityError.__name__: 3}

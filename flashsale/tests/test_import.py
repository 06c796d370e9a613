"""Products from a CSV file: what is wrong is said line by line, and nothing is added before everything is right."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from catalog import imports
from catalog.models import Product, Stock, StockAdjustment

GOOD = """name,price,currency,stock,max_per_customer,sale_starts_at
"Widget, large",29.99,usd,100,2,2030-01-31T12:00:00+00:00
Gadget,1000,JPY,5,,
"""


def url() -> str:
    return reverse("admin:catalog_product_import_csv")


def upload(client, content: str | bytes):
    raw = content.encode() if isinstance(content, str) else content
    return client.post(url(), {"file": SimpleUploadedFile("products.csv", raw, content_type="text/csv")})


def test_a_file_is_shown_first_and_added_when_confirmed(admin_client, admin_user):
    shown = upload(admin_client, GOOD)
    before = Product.objects.count()
    added = admin_client.post(
        url(), {"text": shown.context["form"].cleaned_data["content"], "confirmed": "yes"}, follow=True
    )

    assert "2 products would be added" in shown.content.decode()
    assert before == 0
    assert "2 products were added and published." in added.content.decode()
    widget, gadget = Product.objects.order_by("pk")
    assert (widget.name, widget.currency, widget.max_per_customer, widget.max_per_hold) == (
        "Widget, large",
        "USD",
        2,
        10,
    )
    assert widget.sale_starts_at.isoformat() == "2030-01-31T12:00:00+00:00"
    assert (gadget.max_per_customer, gadget.sale_starts_at) == (None, None)
    assert list(Stock.objects.order_by("pk").values_list("total", flat=True)) == [100, 5]
    assert set(StockAdjustment.objects.values_list("made_by", flat=True)) == {admin_user.pk}


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (",29.99,USD,1", "name: This field is required."),
        ("A,0,USD,1", "price: Ensure this value is greater than or equal to 0.001."),
        ("A,abc,USD,1", "price: Enter a number."),
        ("A,1.001,USD,1", "price: A price in USD has at most 2 decimals."),
        ("A,1,XYZ,1", "currency: XYZ is not an ISO 4217 currency."),
        ("A,1,USD,-1", "stock: Ensure this value is greater than or equal to 0."),
        ("A,1,USD,1.5", "stock: Enter a whole number."),
        ("A,1,USD,99999999999", "stock: Ensure this value is less than or equal to"),
        ("A,1,USD", "It has not as many values as columns."),
        ("A,1,USD,1,2,3", "It has not as many values as columns."),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_added(admin_client, line, fault):
    content = f"name,price,currency,stock\nGood,1,USD,1\n{line}\n"

    shown = upload(admin_client, content).content.decode()
    admin_client.post(url(), {"text": content, "confirmed": "yes"})

    assert fault in shown
    assert "Nothing can be added before this is right" in shown
    assert not Product.objects.exists()


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("", "Missing: name, price, currency, stock"),
        ("name,price\nA,1\n", "Missing: currency, stock"),
        ("name,price,currency,stock,colour\nA,1,USD,1,red\n", "unknown: colour"),
        ("name,name,price,currency,stock\nA,A,1,USD,1\n", "each once"),
        ("name,price,currency,stock\n", "there are 0"),
        ("name,price,currency,stock\n" + "A,1,USD,1\n" * (imports.MAX_ROWS + 1), f"there are {imports.MAX_ROWS + 1}"),
        (b"name,price,currency,stock\n\xff,1,USD,1\n", "The file is not UTF-8."),
        ('name,price,currency,stock\n"A"x,1,USD,1\n', "Line 2"),
        (b"x" * (1024 * 1024 + 1), "larger than 1 MiB"),
    ],
    ids=range(9),
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_refused_in_words(admin_client, content, fault):
    shown = upload(admin_client, content).content.decode()

    assert fault in shown or "The submitted file is empty." in shown
    assert not Product.objects.exists()


def test_a_product_that_fails_takes_the_others_with_it(admin_client, monkeypatch):
    rows = imports.read(GOOD)

    def fail(*_args, **_kwargs):
        raise RuntimeError("the disk is full")

    monkeypatch.setattr("catalog.inventory._record", fail)
    with pytest.raises(RuntimeError):
        admin_client.post(url(), {"text": GOOD, "confirmed": "yes"})

    assert len(rows) == 2


def test_a_byte_order_mark_and_capitals_do_not_matter(db):
    [row] = imports.read("\ufeffName, Price ,CURRENCY,Stock\nA,1,USD,1\n")

    assert (row.faults, row.columns["name"]) == ([], "A")


def test_who_may_not_add_products_may_not_import_them(client, django_user_model, db):
    person = django_user_model.objects.create_user("ann", password="x", is_staff=True)
    client.force_login(person)

    assert upload(client, GOOD).status_code == 403
    assert not Product.objects.exists()

"""`manage.py add_product`."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from catalog.models import Product
from flashsale.tests.support.commands import run


def test_a_product_is_added_by_command_and_its_id_printed(db):
    out = run(
        "add_product", "--name", "Widget", "--price", "29.99", "--currency", "usd", "--stock", "100",
        "--max-per-hold", "5", "--max-per-customer", "7", "--description", "Nice",
        "--starts-at", "2030-01-01T12:00:00+00:00", "--ends-at", "2030-01-01T14:00:00",
    )  # fmt: skip

    product = Product.objects.get()
    assert out == f"{product.pk}\n"
    assert (product.currency, product.max_per_hold, product.max_per_customer) == ("USD", 5, 7)
    assert product.is_published
    assert product.stock.total == 100
    assert product.sale_ends_at - product.sale_starts_at == timedelta(hours=2)


@pytest.mark.parametrize(
    "wrong",
    [
        ("--price", "0"),
        ("--price", "-1"),
        ("--price", "NaN"),
        ("--price", "free"),
        ("--price", "1.001"),
        ("--currency", "XYZ"),
        ("--currency", "DOLLARS"),
        ("--stock", "-1"),
        ("--stock", "many"),
        ("--stock", str(2**31)),
        ("--max-per-hold", "0"),
        ("--max-per-customer", "0"),
        ("--starts-at", "noon"),
        ("--name", ""),
        ("--ends-at", "2030-02-30T00:00:00"),
    ],
)
def test_an_invalid_product_is_refused_and_nothing_is_added(db, wrong):
    given = {"--name": "Widget", "--price": "29.99", "--currency": "USD", "--stock": "1"} | dict([wrong])
    out = StringIO()

    with pytest.raises(CommandError):
        call_command("add_product", *(text for pair in given.items() for text in pair), stdout=out)

    assert out.getvalue() == ""
    assert not Product.objects.exists()

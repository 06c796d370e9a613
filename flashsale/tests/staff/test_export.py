"""Lists as CSV: what people need and nothing internal, amounts in their currency's decimals, no formulas."""

import csv
import io
import re
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.contrib.admin import site
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import BinaryField, DecimalField
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_otp.plugins.otp_totp.models import TOTPDevice

from catalog.models import Product, Stock, StockAdjustment
from catalog.tests.factories import ProductFactory
from checkout.models import Hold, Order
from checkout.tests.factories import HoldFactory, OrderFactory, let_hold_pass, let_order_pass
from flashsale.core.staff import csv_export
from flashsale.core.staff.csv_export import MARK
from flashsale.core.staff.export_pages import CsvExportMixin
from flashsale.outbox.tests.factories import DeliveryFactory
from flashsale.tests.support.admin import MODELS, admin_url
from payments.models import Dispute, Payment, Refund, WebhookEvent
from payments.tests.factories import receive
from payments.tests.support.account import attempt_for

EXPORTS = {model: one for model, one in site._registry.items() if isinstance(one, CsvExportMixin) and one.export}
# Internal columns, which no file may have.
INTERNAL = re.compile(
    r"client|idempotency|hash|fingerprint|body|headers|version|secret|token|password|request_id|error"
)
AMOUNTS = {"JPY": ("12000", r"\d+"), "USD": ("29.99", r"\d+\.\d{2}"), "KWD": ("1.25", r"\d+\.\d{3}")}


@pytest.fixture
def books(db):
    """A paid order, and so a row of every list, in each of three currencies, for as many accounts with an app."""
    for currency, (price, _) in AMOUNTS.items():
        TOTPDevice.objects.create(user=User.objects.create_user(currency), name="phone", confirmed=True)
        order = OrderFactory(product=ProductFactory(price=Decimal(price), currency=currency), quantity=2)
        receive(
            key=currency, order_id=order.pk, payment_id=f"pay_{currency}", amount=order.total_amount, currency=currency
        )
        Refund.objects.create(
            payment=Payment.objects.get(payment_id=f"pay_{currency}"),
            attempt=1, amount=order.unit_price, status="refused", created_at=order.created_at,
        )  # fmt: skip
        attempt_for(order, f"pi_{currency}")
        DeliveryFactory()
        Dispute.objects.create(
            payment=Payment.objects.get(payment_id=f"pay_{currency}"), dispute_id="du_1", status="open",
            amount=order.total_amount, currency=currency, created_at=order.created_at, as_of=order.created_at,
        )  # fmt: skip


def text_of(response) -> str:
    return b"".join(response.streaming_content).decode()


def exported(client, model, **query: str) -> list[dict[str, str]]:
    """Return the rows of the file with all that match."""
    return list(csv.DictReader(io.StringIO(text_of(client.get(admin_url(model, "export"), query)).removeprefix(MARK))))


def test_every_list_of_the_shop_can_be_exported(admin_client, books):
    assert set(EXPORTS) == {*MODELS, TOTPDevice}
    assert all("export_csv" in one.actions for one in EXPORTS.values())
    for model in EXPORTS:
        page = admin_client.get(admin_url(model, "changelist")).content.decode()
        assert "Export all that match as CSV" in page


def test_a_list_that_declares_no_columns_is_not_exported(admin_client, books, monkeypatch):
    monkeypatch.setattr(site.get_model_admin(Hold), "export", None)

    assert admin_client.get(admin_url(Hold, "export")).status_code == 404
    assert "Export all that match" not in admin_client.get(admin_url(Hold, "changelist")).content.decode()


@pytest.mark.parametrize("model", EXPORTS, ids=lambda model: model.__name__)
def test_a_file_holds_the_named_columns_and_nothing_internal(admin_client, books, model):
    export = EXPORTS[model].export
    row = model.objects.first()

    rows = exported(admin_client, model)

    assert list(rows[0]) == export.headers
    assert not [name for pair in export.columns.items() for name in pair if INTERNAL.search(str(name))]
    assert all(header[:1].isupper() and "_" not in header for header in export.headers)
    has_amounts = any(isinstance(field, DecimalField) for field in model._meta.fields)
    paths = [path for path in export.columns.values() if isinstance(path, str)]
    for path in [*paths, *([export.currency] if has_amounts else [])]:
        _assert_leads_somewhere(row, path)
    assert len(rows) == model.objects.count() == 3


def _assert_leads_somewhere(row, path: str) -> None:
    """A misspelt path would export empty cells for ever."""
    for name in path.split("."):
        assert hasattr(type(row), name) or hasattr(row, name), path
        field = next((field for field in type(row)._meta.fields if field.name == name), None)
        assert not isinstance(field, BinaryField), path
        row = field.related_model() if field is not None and field.related_model else getattr(row, name, None)


@pytest.mark.parametrize("model", EXPORTS, ids=lambda model: model.__name__)
def test_amounts_have_their_currencys_decimals(admin_client, books, model):
    export = EXPORTS[model].export
    decimals = {field.name for field in model._meta.fields if isinstance(field, DecimalField)}
    columns = [header for header, path in zip(export.headers, export.columns.values(), strict=True) if path in decimals]

    rows = exported(admin_client, model)

    assert bool(columns) is bool(decimals)
    for row in rows if columns else []:
        for column in columns:
            assert re.fullmatch(AMOUNTS[row["Currency"]][1], row[column]), (column, row)


@pytest.mark.parametrize("model", EXPORTS, ids=lambda model: model.__name__)
def test_a_file_begins_with_a_byte_order_mark_and_is_named_after_list_and_date(admin_client, books, model):
    chosen = {
        "action": "export_csv",
        "_selected_action": [str(pk) for pk in model.objects.values_list("pk", flat=True)[:2]],
    }

    some = admin_client.post(admin_url(model, "changelist"), chosen)
    everything = admin_client.get(admin_url(model, "export"))

    name = str(model._meta.verbose_name_plural).replace(" ", "-")
    for answer, count in ((some, 2), (everything, 3)):
        text = text_of(answer)
        assert text.startswith(MARK)
        assert len(text.splitlines()) == count + 1
        assert answer.headers["Content-Disposition"] == f'attachment; filename="{name}-{timezone.localdate()}.csv"'
        assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"


@pytest.mark.parametrize(
    "text",
    [
        "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\tplain", "\nplain", "  =1", "\u00a0=1", "\u3000＝1",
        "＝1",
        "＋1", "－1", "＠A", "﹦1", "\u200b=1", "\ufeff=1", "\x0b=1", "\x1f=1", " \n +1",
    ],
)  # fmt: skip
def test_no_cell_begins_a_formula(admin_client, text):
    Hold.objects.filter(pk=HoldFactory().pk).update(customer_id=text)

    [row] = exported(admin_client, Hold)

    assert row["Customer"] == f"'{text}"


@pytest.mark.parametrize("text", ["plain", 'with "quotes", and commas', "two\nlines", "a=b", "Ünïcode ＝", " padded"])
def test_other_cells_are_unchanged(admin_client, text):
    Hold.objects.filter(pk=HoldFactory().pk).update(customer_id=text)

    [row] = exported(admin_client, Hold)

    assert row["Customer"] == text


@pytest.mark.parametrize(
    ("value", "currency", "cell"),
    [
        (None, "", ""), (True, "", "yes"), (False, "", "no"), (-5, "", "-5"), (Decimal("1.5000"), "", "1.5"),
        (Decimal("12000.000"), "JPY", "12000"), (Decimal("12000.5"), "JPY", "12000.5"),
        (Decimal("29.990"), "USD", "29.99"),
        (Decimal("29.999"), "USD", "29.999"), (Decimal("7"), "XYZ", "7"), (Decimal("1E+3"), "XYZ", "1000"),
        (datetime(2030, 7, 1, 12, 0, 0, 5, tzinfo=UTC), "", "2030-07-01T14:00:00+02:00"),
        (datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC), "", "9999-12-31T23:59:59+00:00"),
    ],
    ids=str,
)  # fmt: skip
def test_a_value_is_exported_in_readable_form(value, currency, cell):
    with timezone.override("Europe/Berlin"):
        assert csv_export._cell(value, currency) == cell


def test_only_what_matches_is_exported(admin_client, books):
    paid = ProductFactory(name="Gadget")
    HoldFactory(product=paid, customer_id="ann")

    assert [row["Customer"] for row in exported(admin_client, Hold, status__exact="active")] == ["ann"]
    assert len(exported(admin_client, Hold, status__exact="converted")) == 3
    assert [row["Name"] for row in exported(admin_client, Product, q="Gadget")] == ["Gadget"]
    assert exported(admin_client, StockAdjustment, q="no such reason") == []


def test_an_overdue_order_and_hold_are_exported_as_pages_show_them(admin_client, product):
    let_order_pass(OrderFactory(product=product))
    let_hold_pass(HoldFactory(product=product))

    assert [row["Status"] for row in exported(admin_client, Order)] == ["expired"]
    assert {row["Status"] for row in exported(admin_client, Hold)} == {"expired", "converted"}


def test_the_first_columns_of_orders_are_those_that_people_need(admin_client, books):
    order = Order.objects.get(currency="USD")

    [row] = [row for row in exported(admin_client, Order) if row["Currency"] == "USD"]

    assert list(row.items())[2:10] == [
        ("Product", order.product.name), ("Product id", str(order.product_id)), ("Quantity", "2"), ("Total", "59.98"),
        ("Currency", "USD"), ("Customer", ""), ("Status", "paid"), ("Payment id", "pay_USD"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("query", "days"),
    [
        ({"created_at_from_0": "2020-01-01"}, "from-2020-01-01-"),
        ({"created_at_from_0": "2020-01-01", "created_at_to_0": "2999-01-31"}, "from-2020-01-01-to-2999-01-31-"),
        ({"created_at_from_0": '"; x=1'}, ""),
    ],
    ids=str,
)
def test_a_file_of_some_days_is_named_after_them(admin_client, order, query, days):
    answer = admin_client.get(admin_url(Order, "export"), query)

    assert answer.headers["Content-Disposition"] == f'attachment; filename="orders-{days}{timezone.localdate()}.csv"'


def test_the_link_above_a_list_keeps_its_filters(admin_client, books):
    page = admin_client.get(
        admin_url(Order, "changelist"), {"status": "paid", "q": "pay_USD", "p": "1"}
    ).content.decode()

    [link] = re.findall(r'href="(export/[^"]*)"', page)
    assert set(link.partition("?")[2].replace("&amp;", "&").split("&")) == {"status=paid", "q=pay_USD"}


def test_a_filter_that_does_not_exist_leads_back_to_the_list(admin_client):
    answer = admin_client.get(admin_url(Order, "export"), {"colour": "red"})

    assert answer.status_code == 302


@pytest.mark.parametrize("model", [Product, Hold], ids=["by key", "by creation"])
def test_a_long_list_is_read_in_chunks_as_it_is_sent(admin_client, product, monkeypatch, model):
    monkeypatch.setattr(csv_export, "CHUNK_ROWS", 2)
    for _ in range(5):
        HoldFactory(product=ProductFactory())
    Hold.objects.update(created_at=Hold.objects.earliest("created_at").created_at)
    queryset, export = model.objects.all(), EXPORTS[model].export

    with CaptureQueriesContext(
        connection,
    ) as asked:
        lines = export.lines(queryset)
        for _ in range(3):
            next(lines)
        after_three = len(asked)
        rest = list(lines)

    assert after_three == 1
    assert len(asked) == (2 + len(rest) + 1) // 2 + 1
    assert 2 + len(rest) == model.objects.count()


@pytest.mark.parametrize("model", EXPORTS, ids=lambda model: model.__name__)
def test_exporting_a_list_needs_the_permission_to_view_it(client, django_user_model, db, model):
    client.force_login(django_user_model.objects.create_user("ann", password="x", is_staff=True))

    assert client.get(admin_url(model, "export")).status_code == 403


def test_an_export_does_not_read_the_bodies_of_events(books):
    with CaptureQueriesContext(connection) as asked:
        list(EXPORTS[WebhookEvent].export.lines(WebhookEvent.objects.all()))

    assert not [one for one in asked if '"body"' in one["sql"]]


def test_the_reasons_of_events_are_the_pages_sentences_read_for_many_events_at_once(admin_client, admin_user, product):
    def files_queries(events: int) -> int:
        for number in range(events):
            order = OrderFactory(product=product)
            receive(order_id=order.pk, payment_id=f"pay_{order.pk}", key=f"{order.pk}a{number}")
            receive(order_id=order.pk, amount="1.00", currency="USD", key=f"{order.pk}b{number}")
        with CaptureQueriesContext(connection) as asked:
            list(EXPORTS[WebhookEvent].export.lines(WebhookEvent.objects.all()))
        return len(asked)

    few, many = files_queries(2), files_queries(6)

    rows = exported(admin_client, WebhookEvent)
    assert few == many
    assert {row["Reason"] for row in rows} == {"paid the order", "paid 1.00 USD, expected 29.99 USD"}


def test_a_product_without_counters_does_not_stop_the_file(admin_client, product):
    Stock.objects.all().delete()

    [row] = exported(admin_client, Product)

    assert (row["Name"], row["Total"]) == (product.name, "")

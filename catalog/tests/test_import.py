"""The CSV import: files as spreadsheets write them, a preview with the faults of each line, products added once."""

import codecs
import re
from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone

from catalog.imports import fields, files
from catalog.models import Product, Stock, StockAdjustment
from flashsale.core.submissions import once
from flashsale.core.submissions.models import Submission, Upload
from flashsale.tests.support.admin import messages_of
from flashsale.tests.support.forms import filled_in, pressed_twice_while_locked

HEADER = "name,price,currency,stock"
GOOD = """name,price,currency,stock,max_per_customer,sale_starts_at
"Widget, large",29.99,usd,100,2,2030-01-31T12:00:00+00:00
Gadget,1000,JPY,5,,
"""


def url() -> str:
    return reverse("admin:catalog_product_import_csv")


def upload(client, content: str | bytes):
    raw = content.encode() if isinstance(content, str) else content
    return client.post(url(), {"file": SimpleUploadedFile("products.csv", raw, content_type="text/csv")})


def confirmed(client, shown):
    """Press the button below the preview."""
    return client.post(url(), filled_in(shown, holding=once.FIELD), follow=True)


def one(content: str | bytes) -> files.Row:
    [row] = files.read(content.encode() if isinstance(content, str) else content).rows
    return row


def test_a_file_is_previewed_and_added_when_confirmed(admin_client, admin_user):
    shown = upload(admin_client, GOOD)
    before = Product.objects.count()
    added = confirmed(admin_client, shown)

    assert "2 products would be added" in shown.content.decode()
    assert before == 0
    widget, gadget = Product.objects.order_by("pk")
    assert messages_of(added) == [
        f"2 products were added and published: Widget, large (id {widget.pk}), Gadget (id {gadget.pk})."
    ]
    assert (widget.name, widget.currency, widget.max_per_customer, widget.max_per_hold, widget.is_published) == (
        "Widget, large", "USD", 2, 10, True,
    )  # fmt: skip
    assert widget.sale_starts_at.isoformat() == "2030-01-31T12:00:00+00:00"
    assert (gadget.max_per_customer, gadget.sale_starts_at) == (None, None)
    assert list(Stock.objects.order_by("pk").values_list("total", flat=True)) == [100, 5]
    assert set(StockAdjustment.objects.values_list("made_by", "delta", "total_after", "reason")) == {
        (admin_user.pk, 100, 100, "Opening stock"),
        (admin_user.pk, 5, 5, "Opening stock"),
    }


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (",29.99,USD,1", "name: This field is required."),
        ("A,0,USD,1", "price: Ensure this value is greater than or equal to 0.001."),
        ("A,abc,USD,1", "price: Enter a number."),
        ("A,1e3,USD,1", "price: Enter a number."),
        ('A,"1,234.50",USD,1', "price: Enter a number."),
        ("A,1.001,USD,1", "price: A price in USD has at most 2 decimals."),
        ("A,12.000,JPY,1", "price: This may mean 12 or 12000: write it without a separator."),
        ("A,29.990,USD,1", "price: This may mean 29 or 29990: write it without a separator."),
        ("A,1,XYZ,1", "currency: XYZ is not an ISO 4217 currency."),
        ("A,1,USD,-1", "stock: Ensure this value is greater than or equal to 0."),
        ("A,1,USD,1.5", "stock: Enter a whole number."),
        ("A,1,USD,1.000", "stock: Enter a whole number."),
        ("A,1,USD,99999999999", "stock: Ensure this value is less than or equal to"),
        ("A" * 201 + ",1,USD,1", "name: Ensure this value has at most 200 characters"),
        ("A,1,USD", "It has more or fewer values than there are columns."),
        ("A,1,USD,1,2,3", "It has more or fewer values than there are columns."),
        ('"A"x,1,USD,1', "After a closing quotation mark there must be a delimiter"),
        ('"A,1,USD,1', "A quotation mark is opened here and never closed."),
    ],
)
def test_a_faulty_line_is_reported_and_nothing_is_added(admin_client, line, fault):
    shown = upload(admin_client, f"{HEADER}\nGood,1,USD,1\n{line}\n")

    text = shown.content.decode()
    assert f"Line 3: {fault}" in text
    assert "Nothing can be added until these faults are corrected" in text
    assert once.FIELD not in text
    assert not Upload.objects.exists()
    assert not Product.objects.exists()


def test_all_faults_are_reported_at_once_with_their_line_numbers(db):
    content = f'{HEADER}\n\n"Two\nlines",x,XYZ,1\n"broken"x,1,USD,1\n,,,\nA,1,USD,-1\n'

    rows = files.read(content.encode()).rows

    assert [(row.number, len(row.faults)) for row in rows] == [(3, 2), (5, 1), (7, 1)]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("", "The submitted file is empty."),
        ("\n\n", "Missing: name, price, currency, stock"),
        ("name,price\nA,1\n", "Missing: currency, stock"),
        ("name,price,currency,stock,colour\nA,1,USD,1,red\n", "unknown: colour"),
        ("name,name,price,currency,stock\nA,A,1,USD,1\n", "more than once: name"),
        (f"{HEADER}\n", "there are 0"),
        (f"{HEADER}\n" + "A,1,USD,1\n" * (files.MAX_ROWS + 1), f"there are {files.MAX_ROWS + 1:,}"),
        (f"{HEADER}\nA,1,USD,1\n\x81".encode("latin-1"), "Line 3: byte 0x81 cannot be read as Windows-1252."),
        (f"{HEADER}\nA\0,1,USD,1\n", "Line 2: there is a NUL character"),
        (b"PK\x03\x04rest of a workbook", "This is a workbook"),
        ("sep=|\nname|price|currency|stock\n", "sep=| is neither a comma, a semicolon nor a tab"),
        (b"x" * (files.MAX_BYTES + 1), "larger than 2 MiB"),
    ],
    ids=range(12),
)
def test_an_unreadable_file_is_refused_with_the_reason(admin_client, content, fault):
    shown = upload(admin_client, content).content.decode()

    assert fault in shown
    assert not Upload.objects.exists()


ENCODINGS = {
    "UTF-8": lambda text: text.encode(),
    "UTF-8 with a mark": lambda text: text.encode("utf-8-sig"),
    "UTF-16 with a mark": lambda text: text.encode("utf-16"),
    "UTF-16 big-endian with a mark": lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
    "UTF-16 without a mark": lambda text: text.encode("utf-16-le"),
    "UTF-16 big-endian without a mark": lambda text: text.encode("utf-16-be"),
    "Windows-1252": lambda text: text.encode("cp1252"),
}


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"], ids=["comma", "semicolon", "tab"])
@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("is_said", [True, False], ids=["sep", "no sep"])
def test_files_of_all_spreadsheets_are_read(db, is_said, encoding, delimiter, line_end):
    price = "29.99" if delimiter == "," else "29,99"
    lines = [f"sep={delimiter}"] * is_said + [
        delimiter.join(["Name", " PRICE ", "currency", "Stock", "max per hold", ""]),
        delimiter * 5,
        delimiter.join(['"Grün; ""€"", weiß\t!"', price, "usd", "7", "", ""]),
        delimiter * 5,
        "",
    ]

    file = files.read(ENCODINGS[encoding](line_end.join(lines)))

    [row] = file.rows
    assert (row.faults, row.number) == ([], 3 + is_said)
    assert row.columns["name"] == 'Grün; "€", weiß\t!'
    assert (row.preview["price"], row.columns["stock"]) == ("29.99 USD", 7)
    assert file.read_as.startswith(encoding.split()[0])


@pytest.mark.parametrize("price", ["1.234,56", "1,234.56", "1 234,56", "12,34,56"])
def test_thousands_separators_are_refused(db, price):
    row = one(f"name;price;currency;stock\nA;{price};USD;1\n")

    assert row.faults == ["price: Enter a number."]


def test_a_column_without_a_name_must_be_empty(db):
    header = "name,price,,currency,stock,\n"

    assert one(f"{header}A,1,,USD,1,\n").faults == []
    assert one(f"{header}A,1,,USD,1\n").faults == []
    assert one(f"{header}A,1,x,USD,1,\n").faults == [files.WRONG_COUNT]


@pytest.mark.parametrize(
    "given",
    [
        "01/02/2030 12:00", "1.2.2030 12:00", "2030-1-2 12:00", "2030-01-02 12", "tomorrow", "2030-W01-1",
        "20300102T1200", "2030-02-30 12:00", "2030-01-02 24:00", "2030-01-02T12:00+25:00", "9999-12-31T23:59:59-05:00",
        "0001-01-01T00:00:00+05:00", "２０３０-01-02 12:00",
    ],
)  # fmt: skip
def test_only_iso_8601_dates_that_exist_are_taken(db, given):
    row = one(f"{HEADER},sale_ends_at\nA,1,USD,1,{given}\n")

    assert len(row.faults) == 1
    assert row.faults[0].startswith("sale_ends_at: ")


@pytest.mark.parametrize(
    ("zone", "given", "moment", "shown"),
    [
        ("UTC", "2030-01-02 12:00", datetime(2030, 1, 2, 12, tzinfo=UTC), "2030-01-02 12:00:00 UTC"),
        ("UTC", "2030-01-02", datetime(2030, 1, 2, tzinfo=UTC), "2030-01-02 00:00:00 UTC"),
        ("UTC", "2030-01-02t12:00:01z", datetime(2030, 1, 2, 12, 0, 1, tzinfo=UTC), "2030-01-02 12:00:01 UTC"),
        (
            "Europe/Berlin", "2030-07-02 12:00", datetime(2030, 7, 2, 10, tzinfo=UTC),
            "2030-07-02 12:00:00 CEST (10:00:00 UTC)",
        ),
        (
            "Europe/Berlin", "2030-01-02T12:00:00.5+0530", datetime(2030, 1, 2, 6, 30, 0, 500_000, tzinfo=UTC),
            "2030-01-02 07:30:00.500000 CET (06:30:00.500000 UTC)",
        ),
    ],
)  # fmt: skip
def test_a_moment_is_shown_in_the_shops_zone_and_in_utc(admin_client, zone, given, moment, shown):
    with timezone.override(zone):
        row = one(f"{HEADER},sale_starts_at\nA,1,USD,1,{given}\n")

    assert row.columns["sale_starts_at"] == moment
    assert row.preview["sale_starts_at"] == shown


def test_a_local_time_that_does_not_exist_is_refused(db):
    with timezone.override("Europe/Berlin"):
        row = one(f"{HEADER},sale_starts_at\nA,1,USD,1,2030-03-31 02:30\n")

    assert row.faults[0].startswith("sale_starts_at: 2030-03-31 02:30:00 does not exist in Europe/Berlin")


def test_a_local_time_that_exists_twice_is_refused_with_both_offsets(db):
    with timezone.override("Europe/Berlin"):
        row = one(f"{HEADER},sale_starts_at\nA,1,USD,1,2030-10-27 02:30\n")

    assert "exists twice in Europe/Berlin" in row.faults[0]
    assert "02:30:00 +02:00 or 02:30:00 +01:00" in row.faults[0]


def test_a_description_is_no_longer_than_the_products_form_can_send(db):
    longest = "\N{GRINNING FACE}" * fields.MAX_DESCRIPTION_LENGTH
    sent = urlencode({"description": longest})

    assert one(f"{HEADER},description\nA,1,USD,1,{longest}\n").faults == []
    assert one(f"{HEADER},description\nA,1,USD,1,{longest}x\n").faults
    assert len(sent) < settings.DATA_UPLOAD_MAX_MEMORY_SIZE


def test_the_models_own_rules_are_checked_for_each_line(db):
    row = one(f"{HEADER},sale_starts_at,sale_ends_at\nA,1,USD,1,2030-01-02 12:00,2030-01-02 11:00\n")

    assert len(row.faults) == 1


def test_the_preview_shows_every_value_as_it_was_parsed(admin_client):
    columns = ";".join(files.COLUMNS)
    full = "Widget;29,9;usd;100; W-1 ;<b>Bold</b>;https://a.example/1.png;3;2;2030-01-31T13:00:00+01:00;2030-02-01"
    full += ";ON;2030-01-31 11:55;25"
    shown = upload(admin_client, f"{columns}\n{full}\nGadget;1000;JPY;5;;;;;;;;;;\n").content.decode()

    table = re.sub(r"\s+", " ", shown[shown.index("<tbody>") : shown.index("</tbody>")])
    cells = [re.findall(r"<td>(.*?)</td>", row) for row in table.split("</tr>")[:2]]
    assert "Read as UTF-8, separated by semicolons." in shown
    assert cells == [
        ["2", "Widget", "29.90 USD", "100", "W-1", "&lt;b&gt;Bold&lt;/b&gt;", "https://a.example/1.png", "3", "2",
         "2030-01-31 12:00:00 UTC", "2030-02-01 00:00:00 UTC", "on", "2030-01-31 11:55:00 UTC", "25"],
        ["3", "Gadget", "1000 JPY", "5", "", "", "", "10", "no limit", "at once", "never", "off", "", "no limit"],
    ]  # fmt: skip


def test_names_of_existing_products_are_listed(admin_client):
    confirmed(admin_client, upload(admin_client, GOOD))

    assert (
        "Products with these names exist already: Gadget, Widget, large." in upload(admin_client, GOOD).content.decode()
    )


@pytest.mark.django_db(transaction=True)
def test_the_largest_file_is_shown_and_confirmed(admin_client):
    """One limit for both: what is previewed can be confirmed. No transaction is open while the file is read."""
    rows = files.MAX_ROWS
    cell = "x" * ((files.MAX_BYTES - 200) // rows - len(",1,USD,1,\n") - 5)
    content = f"{HEADER},description\n" + "".join(f"{n:05},1,USD,1,{cell}\n" for n in range(rows))

    shown = upload(admin_client, content)
    added = confirmed(admin_client, shown)

    assert len(content) > files.MAX_BYTES * 0.99 > settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    [told] = messages_of(added)
    assert told.startswith(f"{rows:,} products were added and published: 00000 (id ")
    assert told.endswith(f" and {rows - 5:,} more.")
    assert (Product.objects.count(), Stock.objects.count(), StockAdjustment.objects.count()) == (rows, rows, rows)


def test_a_confirmed_import_sent_twice_adds_once(admin_client):
    shown = upload(admin_client, GOOD)

    first = confirmed(admin_client, shown)
    again = confirmed(admin_client, shown)

    assert messages_of(again) == [f"Already done: {told}" for told in messages_of(first)]
    assert Product.objects.count() == 2


@pytest.mark.parametrize("token", ["", "x", "00000000-0000-4000-8000-000000000000"])
def test_a_confirmation_without_a_stored_file_is_refused(admin_client, token):
    told = admin_client.post(url(), {"confirmed": "yes", once.FIELD: token}, follow=True)

    assert messages_of(told) == ["This file is not stored any more. Choose it again."]
    assert not Submission.objects.exists()


def test_a_file_is_confirmed_only_by_the_user_who_uploaded_it(admin_client, client, django_user_model):
    other = django_user_model.objects.create_superuser("bob", password="x")
    client.force_login(other)
    shown = upload(admin_client, GOOD)

    told = confirmed(client, shown)

    assert messages_of(told) == ["This file is not stored any more. Choose it again."]
    assert not Product.objects.exists()


def imported_twice(new_admin_client) -> list:
    sent = filled_in(upload(new_admin_client(), GOOD), holding=once.FIELD)
    return pressed_twice_while_locked(new_admin_client, url(), sent, locked="LOCK TABLE catalog_product IN SHARE MODE")


def test_an_import_confirmed_twice_at_the_same_moment_adds_once(new_admin_client):
    answers = imported_twice(new_admin_client)

    assert Product.objects.count() == 2
    assert all("2 products were added and published: " in answer.content.decode() for answer in answers)


def test_control_without_the_token_every_product_is_added_twice(new_admin_client, monkeypatch):
    monkeypatch.setattr(once, "claim_token", lambda: setattr(once._step(), "is_claimed", True))

    imported_twice(new_admin_client)

    assert Product.objects.count() == 4


def test_a_product_that_fails_rolls_back_the_others(admin_client, monkeypatch):
    shown = upload(admin_client, GOOD)

    def fail(*_args, **_kwargs):
        raise RuntimeError("the disk is full")

    monkeypatch.setattr("catalog.inventory.open_all", fail)
    with pytest.raises(RuntimeError):
        confirmed(admin_client, shown)

    assert not Product.objects.exists()
    assert not Submission.objects.exists()


def test_importing_takes_the_permission_to_add_products(client, django_user_model, db):
    person = django_user_model.objects.create_user("ann", password="x", is_staff=True)
    client.force_login(person)

    assert upload(client, GOOD).status_code == 403
    assert not Product.objects.exists()

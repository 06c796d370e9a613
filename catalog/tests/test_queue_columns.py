"""A product's queue, its opening and its rate: the same rules at every entrance, and one more edit like any other."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError
from django.db import connection
from django.utils.html import escape

from catalog import products
from catalog.models import Product
from catalog.tests.factories import ProductFactory
from catalog.tests.support.imports import import_of
from flashsale.core.submissions import once
from flashsale.tests.support.admin import admin_url
from flashsale.tests.support.backoffice import BackofficeClient
from flashsale.tests.support.commands import run
from flashsale.tests.support.forms import filled_in
from flashsale.tests.support.problems import problem_of

START = datetime(2030, 1, 1, 12, tzinfo=UTC)
OPENING = START - timedelta(minutes=5)
TOO_LATE = OPENING + timedelta(microseconds=1)
QUEUE = {"queue": "on", "queue_opens_at": OPENING, "admission_rate_max": 25}
IN_JSON = {"queue": "on", "queue_opens_at": "2030-01-01T11:55:00Z", "admission_rate_max": 25}
PUBLIC_IN_JSON = {name: IN_JSON[name] for name in ("queue", "queue_opens_at")}
WIDGET = {"name": "Widget", "price": Decimal("1.00"), "currency": "USD", "stock": 1}
COMMAND = ("add_product", "--name", "Widget", "--price", "1", "--currency", "USD", "--stock", "1")
WRONG = {
    "a queue without a start": ({"queue": "on"}, "queue"),
    "neither on nor off": ({"queue": "maybe", "sale_starts_at": START}, "queue"),
    "an opening without a start": ({"queue_opens_at": OPENING}, "queue_opens_at"),
    "an opening too late": ({"queue_opens_at": TOO_LATE, "sale_starts_at": START}, "queue_opens_at"),
    "an opening out of range": (
        {"queue_opens_at": datetime(1999, 12, 31, tzinfo=UTC), "sale_starts_at": START}, "queue_opens_at",
    ),
    "no ticket a second": ({"admission_rate_max": 0}, "admission_rate_max"),
    "too many tickets a second": ({"admission_rate_max": 1_000_001}, "admission_rate_max"),
}  # fmt: skip
# For each column that an edit may change, another value than `with_queue` has.
OTHER_VALUES = {
    "name": "Other", "sku": "W-2", "description": "Other", "image_url": "https://images.example.com/2.png",
    "price": Decimal(2), "currency": "EUR", "max_per_hold": 3, "max_per_customer": 3,
    "sale_starts_at": START + timedelta(hours=1), "sale_ends_at": START + timedelta(hours=2), "queue": "off",
    "queue_opens_at": None, "admission_rate_max": None,
}  # fmt: skip


@pytest.fixture
def with_queue(db) -> Product:
    return ProductFactory(name="Widget", sale_starts_at=START, **QUEUE)


@pytest.fixture
def erp(db) -> BackofficeClient:
    return BackofficeClient()


def queue_of(product: Product) -> dict[str, object]:
    return Product.objects.filter(pk=product.pk).values(*QUEUE).get()


def in_json(columns: dict[str, object]) -> dict[str, object]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in columns.items()}


def members_at_fault(answer) -> set[str]:
    return {fault["pointer"].removeprefix("#/") for fault in problem_of(answer, 400, "invalid")["errors"]}


def patched(erp: BackofficeClient, product: Product, changes: dict[str, object]):
    return erp.patch(f"/products/{product.pk}", changes, **{"If-Match": f'"{products.version_of(product)}"'})


def test_a_row_of_a_process_that_does_not_know_the_columns_has_no_queue(db):
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO catalog_product"
            " (name, description, price, currency, is_published, max_per_hold, created_at, updated_at)"
            " VALUES ('Widget', '', 1, 'USD', true, 10, now(), now())"
        )

    off = {"queue": "off", "queue_opens_at": None, "admission_rate_max": None}
    assert queue_of(Product.objects.get()) == off
    assert Product.events.rel.related_model.objects.values(*off).get() == off


@pytest.mark.parametrize(("columns", "field"), WRONG.values(), ids=WRONG)
def test_what_a_queue_cannot_be_is_refused_by_name(erp, columns, field):
    product = ProductFactory()
    refusals = []
    for act in (
        lambda: products.add(**WIDGET, **columns),
        lambda: products.add_all([WIDGET | columns]),
        lambda: products.edit(product.pk, expected=None, changes=columns),
    ):
        with pytest.raises(ValidationError) as refused:
            act()
        refusals.append(set(refused.value.message_dict))
    added = erp.post("/products", WIDGET | {"price": "1.00"} | in_json(columns))
    edited = patched(erp, product, in_json(columns))

    assert [*refusals, members_at_fault(added), members_at_fault(edited)] == [{field}] * 5
    assert Product.objects.count() == 1
    assert queue_of(product) == {"queue": "off", "queue_opens_at": None, "admission_rate_max": None}


@pytest.mark.parametrize("rate", [None, 1, 1_000_000])
@pytest.mark.parametrize("opens_at", [None, OPENING])
def test_a_queue_opens_five_minutes_before_the_sale_at_the_latest(db, opens_at, rate):
    given = {"queue": "on", "queue_opens_at": opens_at, "admission_rate_max": rate}

    product = products.add(**WIDGET, sale_starts_at=START, **given)

    assert queue_of(product) == given


@pytest.mark.parametrize(
    ("start", "at_fault"),
    [(START - timedelta(microseconds=1), {"queue_opens_at"}), (None, {"queue", "queue_opens_at"})],
    ids=["moved", "cleared"],
)
def test_the_start_of_a_sale_with_a_queue_is_neither_moved_before_it_nor_cleared(
    erp, admin_client, with_queue, start, at_fault
):
    page = admin_url(Product, "change", with_queue.pk)
    typed = [f"{start:%Y-%m-%d}", f"{start:%H:%M:%S.%f}"] if start else ["", ""]
    fields = dict(zip(("sale_starts_at_0", "sale_starts_at_1"), typed, strict=True))

    by_program = patched(erp, with_queue, in_json({"sale_starts_at": start}))
    by_staff = admin_client.post(page, filled_in(admin_client.get(page), holding="queue_opens_at_0", **fields))

    assert members_at_fault(by_program) == set(by_staff.context["adminform"].form.errors) == at_fault
    assert Product.objects.get().sale_starts_at == START


def test_the_start_may_be_cleared_together_with_the_queue(erp, with_queue):
    answer = patched(erp, with_queue, {"sale_starts_at": None, "queue": "off", "queue_opens_at": None})

    assert (answer.status_code, answer.json()["queue"], answer.json()["sale_starts_at"]) == (200, "off", None)


@pytest.mark.parametrize("column", products.EDITABLE)
def test_each_editable_column_changes_the_version(with_queue, column):
    before = products.version_of(with_queue)

    edited = products.edit(with_queue.pk, expected=[before], changes={column: OTHER_VALUES[column]})

    assert products.version_of(edited) == products.version_of(Product.objects.get()) != before


@pytest.mark.django_db(transaction=True)
def test_an_edit_of_the_queue_is_told_like_any_other(api, admin_client, new_events):
    erp, product = BackofficeClient(), ProductFactory(sale_starts_at=START)
    url = f"/api/v1/products/{product.pk}"
    before, tag = api.get(url).json(), erp.get(f"/products/{product.pk}").headers["ETag"]
    new_events()

    edited = patched(erp, product, IN_JSON)

    shown, [event] = api.get(url).json(), new_events()
    assert (before["queue"], before["queue_opens_at"]) == ("off", None)
    assert {name: edited.json()[name] for name in IN_JSON} == {name: event["data"][name] for name in IN_JSON} == IN_JSON
    assert shown == before | PUBLIC_IN_JSON | {"updated_at": shown["updated_at"]}
    assert edited.headers["ETag"] != tag
    assert (event["type"], event["data"]["changed"]) == ("product.changed", sorted(IN_JSON))
    history = admin_client.get(admin_url(Product, "change", product.pk)).text
    assert (
        "API token ERP: Queue off → on; Queue opens - → 2030-01-01 11:55:00 UTC; Buyers a second, at most - → 25"
    ) in history


def test_a_file_has_products_with_a_queue(admin_client):
    given = {"sale_starts_at": "2030-01-01 12:00", "queue_opens_at": "2030-01-01 11:55", "admission_rate_max": "25"}
    shown = import_of(admin_client, **given, queue="On")

    admin_client.post(shown.request["PATH_INFO"], filled_in(shown, holding=once.FIELD))

    assert queue_of(Product.objects.get()) == QUEUE
    assert "queue, queue_opens_at, admission_rate_max" in shown.text


@pytest.mark.parametrize(
    ("columns", "fault"),
    [
        ({"queue": "yes"}, "queue: Write on or off."),
        ({"queue": "ON"}, "queue: A queue needs a start of the sale."),
        ({"queue_opens_at": "2030-01-01 11:55"}, "queue_opens_at: A queue that opens at a time needs a start"),
        (
            {"queue_opens_at": "2030-01-01 11:55:01", "sale_starts_at": "2030-01-01 12:00"},
            "queue_opens_at: The queue must open at least 5 minutes before the sale starts.",
        ),
        ({"queue_opens_at": "soon"}, "queue_opens_at: Write a date as 2030-01-31 12:00"),
        ({"admission_rate_max": "1.5"}, "admission_rate_max: Enter a whole number."),
        ({"admission_rate_max": "0"}, "admission_rate_max: Ensure this value is greater than or equal to 1."),
    ],
)
def test_a_file_says_what_a_queue_cannot_be(admin_client, columns, fault):
    shown = import_of(admin_client, **columns)

    [told] = [fault for row, _ in shown.context["rows"] for fault in row.faults]
    assert told.startswith(fault)


def test_the_command_gives_a_product_a_queue(db):
    run(
        *COMMAND, "--starts-at", "2030-01-01T12:00:00Z", "--queue-opens-at", "2030-01-01T11:55:00Z",
        "--admission-rate-max", "25",
    )  # fmt: skip

    assert queue_of(Product.objects.get()) == QUEUE


@pytest.mark.parametrize(
    ("options", "refusal"),
    [
        (["--queue-opens-at", "2030-01-01T11:55:00Z"], "queue: A queue needs a start of the sale. queue_opens_at: "),
        (
            ["--queue-opens-at", "2030-01-01T11:56:00Z", "--starts-at", "2030-01-01T12:00:00Z"],
            "queue_opens_at: The queue must open at least 5 minutes before the sale starts.",
        ),
        (["--queue-opens-at", "soon", "--starts-at", "2030-01-01T12:00:00Z"], "--queue-opens-at 'soon': "),
        (["--admission-rate-max", "0"], "admission_rate_max: Ensure this value is greater than or equal to 1."),
        (["--admission-rate-max", "many"], "argument --admission-rate-max: invalid int value"),
    ],
    ids=lambda given: given[0] if isinstance(given, list) else "",
)
def test_the_command_says_what_a_queue_cannot_be(db, options, refusal):
    with pytest.raises(CommandError, match=refusal):
        run(*COMMAND, *options)

    assert not Product.objects.exists()


def test_staff_switch_the_queue_on_and_see_it_in_their_zone(admin_client, admin_user, settings):
    settings.TIME_ZONE = "Africa/Cairo"
    product = ProductFactory(sale_starts_at=START)
    page = admin_url(Product, "change", product.pk)
    typed = {"queue": "on", "queue_opens_at_0": "2030-01-01", "queue_opens_at_1": "13:55", "admission_rate_max": "25"}

    saved = admin_client.post(page, filled_in(admin_client.get(page), holding="queue", **typed))
    shown = admin_client.get(page)
    exported = admin_client.post(
        admin_url(Product, "changelist"), {"action": "export_csv", "_selected_action": product.pk}
    )

    assert saved.status_code == 302
    assert queue_of(product) == QUEUE
    assert {name: str(value) for name, value in filled_in(shown, holding="queue").items() if name in typed} == (
        typed | {"queue_opens_at_1": "13:55:00"}
    )
    assert "Waiting room" in shown.text
    assert shown.text.count("Africa/Cairo (EET, UTC+02:00)") >= 2
    told = "Queue off → on; Queue opens - → 2030-01-01 13:55:00 EET (11:55:00 UTC); Buyers a second, at most - → 25"
    assert escape(f"{admin_user}: {told}") in shown.text
    assert "Queue,Queue opens at,Admission rate max" in b"".join(exported.streaming_content).decode()


def test_staff_add_a_product_with_a_queue(admin_client):
    page = admin_url(Product, "add")
    typed = {
        "name": "Widget", "price": "1", "currency": "USD", "queue": "on", "admission_rate_max": "25",
        "sale_starts_at_0": "2030-01-01", "sale_starts_at_1": "12:00",
        "queue_opens_at_0": "2030-01-01", "queue_opens_at_1": "11:55",
    }  # fmt: skip

    saved = admin_client.post(page, filled_in(admin_client.get(page), holding="opening_stock", **typed))

    assert saved.status_code == 302
    assert queue_of(Product.objects.get()) == QUEUE


def test_a_form_that_was_open_while_the_queue_was_switched_on_does_not_switch_it_off(admin_client, with_queue):
    page = admin_url(Product, "change", with_queue.pk)
    products.edit(with_queue.pk, expected=None, changes={"queue": "off"})
    opened = admin_client.get(page)
    products.edit(with_queue.pk, expected=None, changes={"queue": "on"})

    refused = admin_client.post(page, filled_in(opened, holding="queue", name="Other"))
    saved = admin_client.post(page, filled_in(refused, holding="queue"))

    [error] = refused.context["adminform"].form.errors["queue"]
    assert error == "A program changed this from off to on. The form holds the new value now."
    assert (saved.status_code, Product.objects.get().name, queue_of(with_queue)) == (302, "Other", QUEUE)

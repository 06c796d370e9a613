"""Every stored moment can be shown in every time zone: all inputs refuse the others."""

import io
import logging
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from django.contrib.admin import site
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import connection, models
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.state import StateApps
from django.forms import DateField, DateTimeField, SplitDateTimeField
from django.test import RequestFactory
from django.urls import reverse
from django_celery_beat.models import IntervalSchedule, PeriodicTask
from rest_framework_api_key.models import APIKey

from catalog.models import Product
from catalog.tests.factories import ProductFactory
from catalog.tests.support.imports import import_of
from flashsale.core import moments

LAST = moments.END - timedelta(microseconds=1)
OUTSIDE = [
    "1999-12-31T23:59:59+00:00", "2000-01-01T00:00:00+00:01", "3000-01-01T00:00:00+00:00", "2999-12-31T23:59:59-00:01",
    "9999-12-31T23:59:59-05:00", "9999-12-31T23:59:59+14:00", "0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00",
    "9999-12-31T23:59:59", "9999-12-31",
]  # fmt: skip
WITHIN = ["2000-01-01T00:00:00+00:00", "2999-12-31T23:59:59.999999Z", "2030-06-01T12:00:00"]
NO_TIMES = [
    "", "noon", "2030-02-30T00:00:00", "10000-01-01T00:00:00+00:00", "2030-01-01T25:00:00", "99999999999999999999",
    "2030-01-01T00:00:00+25:00", "2030-01-01T00:00:00\x00", "infinity", "-infinity", "epoch", "now", "٢٠٣٠-01-01",
]  # fmt: skip
# Berlin's clocks skip the hour from 2:00, and have it twice in October.
SKIPPED, TWICE = "2030-03-31T02:30:00", "2030-10-27T02:30:00"
ZONES = ["Pacific/Kiritimati", "Pacific/Niue"]
FIELDS = ["sale_starts_at", "sale_ends_at", "queue_opens_at"]


@pytest.fixture(params=ZONES)
def zone(request, settings) -> str:
    settings.TIME_ZONE = request.param
    return request.param


@pytest.fixture
def berlin(settings) -> None:
    settings.TIME_ZONE = "Europe/Berlin"


def add_by_command(option: str, text: str) -> None:
    given = {"--name": "Widget", "--price": "1", "--currency": "USD", "--stock": "1", option: text}
    call_command("add_product", *(f"{name}={value}" for name, value in given.items()), stdout=io.StringIO())


def form_of(**given: str) -> dict[str, str]:
    """Return the product's form as a browser posts it; times are ISO 8601, without an offset."""
    fields = {
        "name": "Widget", "price": "1.00", "currency": "USD", "max_per_hold": "1", "opening_stock": "1", "queue": "off",
    }  # fmt: skip
    for name, text in given.items():
        day, _, time = text.partition("T")
        fields |= {f"{name}_0": day, f"{name}_1": time}
    return fields


@pytest.mark.parametrize("text", OUTSIDE + NO_TIMES)
def test_text_outside_the_range_or_without_a_moment_is_refused(zone, text):
    with pytest.raises(ValidationError):
        moments.parse(text)


@pytest.mark.parametrize("text", WITHIN)
def test_a_moment_within_the_range_is_accepted(zone, text):
    assert moments.FIRST <= moments.parse(text) <= LAST


@pytest.mark.parametrize("text", [SKIPPED, TWICE])
def test_a_skipped_or_ambiguous_local_time_is_refused(berlin, text):
    with pytest.raises(ValidationError):
        moments.parse(text)


def test_the_first_and_the_last_moment_can_be_shown_everywhere():
    for name in available_timezones():
        for moment in (moments.FIRST, LAST):
            assert moment.astimezone(ZoneInfo(name)) == moment


@pytest.mark.parametrize("option", ["--starts-at", "--ends-at", "--queue-opens-at"])
@pytest.mark.parametrize("text", OUTSIDE + NO_TIMES)
def test_the_command_refuses_it_and_names_the_option(db, zone, option, text):
    with pytest.raises(CommandError, match=option):
        add_by_command(option, text)

    assert not Product.objects.exists()


@pytest.mark.parametrize("option", ["--starts-at", "--ends-at", "--queue-opens-at"])
@pytest.mark.parametrize("text", [SKIPPED, TWICE])
def test_the_command_refuses_a_skipped_or_ambiguous_local_time(db, berlin, option, text):
    with pytest.raises(CommandError, match=option):
        add_by_command(option, text)


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize(
    "text", ["1999-12-31T11:59:59", "3000-01-01T15:00:00", "9999-12-31T23:59:59", "0001-01-01T00:00:00"]
)
def test_the_form_refuses_it_and_names_the_field(admin_client, zone, name, text):
    product = ProductFactory()
    pages = [reverse("admin:catalog_product_add"), reverse("admin:catalog_product_change", args=[product.pk])]

    for page in pages:
        response = admin_client.post(page, form_of(**{name: text}))

        assert response.status_code == 200
        assert set(response.context["adminform"].form.errors) == {name}
    product.refresh_from_db()
    assert (Product.objects.count(), getattr(product, name)) == (1, None)


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("text", [SKIPPED, TWICE])
def test_the_form_refuses_a_skipped_or_ambiguous_local_time(admin_client, berlin, name, text):
    response = admin_client.post(reverse("admin:catalog_product_add"), form_of(**{name: text}))

    assert set(response.context["adminform"].form.errors) == {name}
    assert not Product.objects.exists()


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("text", OUTSIDE[:-1])
def test_the_import_refuses_it_and_names_the_column(admin_client, zone, name, text):
    response = import_of(admin_client, **{name: text})

    assert [name in fault for row, _ in response.context["rows"] for fault in row.faults] == [True]


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("text", [SKIPPED, TWICE])
def test_the_import_refuses_a_skipped_or_ambiguous_local_time(admin_client, berlin, name, text):
    response = import_of(admin_client, **{name: text})

    assert [name in fault for row, _ in response.context["rows"] for fault in row.faults] == [True]


@pytest.mark.parametrize("text", ["01/02/2030T12:00", "01/02/30T12:00", "1 February 2030T12:00", "2030.02.01T12:00"])
def test_no_form_of_the_admin_accepts_an_ambiguous_date(admin_client, admin_user, text):
    response = admin_client.post(reverse("admin:catalog_product_add"), form_of(sale_starts_at=text))

    errors = response.context["adminform"].form.errors
    assert errors == {"sale_starts_at": ["Write a date as 2030-01-31."]}
    assert not Product.objects.exists()


def test_every_form_of_the_admin_validates_moments(admin_user):
    """Also those of other packages: one unreadable date would make the whole list fail."""
    request = RequestFactory().get("/")
    request.user = admin_user
    checked = []
    for model, admin in site._registry.items():
        for row in (None, model()):
            for name, field in admin.get_form(request, row, change=row is not None)().fields.items():
                assert not isinstance(field, DateField) or isinstance(field, DateTimeField), (model, name)
                if isinstance(field, (DateTimeField, SplitDateTimeField)):
                    checked.append(f"{model.__name__}.{name}")
                    assert moments.validate in field.validators, checked[-1]

    assert {"Product.sale_ends_at", "APIKey.expiry_date", "PeriodicTask.expires", "User.date_joined"} <= set(checked)


def test_every_editable_column_of_time_is_validated():
    ours = [model for model in site._registry if model._meta.app_label in ("catalog", "checkout", "payments")]
    filled_in = {
        field
        for model in ours
        if site._registry[model].has_add_permission.__qualname__.startswith("BaseModelAdmin")
        for field in model._meta.fields
        if isinstance(field, models.DateField) and field.editable
    }

    assert {field.name for field in filled_in} == set(FIELDS)
    assert all(moments.validate in field.validators for field in filled_in)


@pytest.mark.parametrize("moment", [moments.FIRST, LAST])
def test_a_product_at_the_ends_of_the_range_is_shown_everywhere(admin_client, api, zone, moment):
    product = ProductFactory(sale_ends_at=moment)

    for path in ("/api/v1/products", f"/api/v1/products/{product.pk}", "/admin/live/", "/admin/catalog/product/"):
        assert admin_client.get(path).status_code == 200
    assert admin_client.get(reverse("admin:catalog_product_change", args=[product.pk])).status_code == 200
    assert api.post("/api/v1/holds", {"product_id": product.pk, "quantity": 1}).status_code in (201, 409)


BEFORE = [("catalog", "0003_product_history"), ("flashsale", "0003_roles")]


def migrate_to(targets: list[tuple[str, str]]) -> StateApps:
    """Migrate, and return the models as they are then."""
    executor = MigrationExecutor(connection)
    executor.migrate(targets)
    return executor.loader.project_state(targets).apps


def newest() -> list[tuple[str, str]]:
    """Return the last migration of every app: going back takes along what depends on the apps of `BEFORE`."""
    return list(MigrationExecutor(connection).loader.graph.leaf_nodes())


@pytest.fixture
def before(transactional_db):
    """The database as the version before left it, and the models of then; afterwards it is as it was."""
    yield migrate_to(BEFORE)
    migrate_to(newest())


def add_product(history: StateApps, name: str) -> models.Model:
    """Add a product with the columns that it had then."""
    product = history.get_model("catalog", "Product").objects.create(
        name=name, price=1, currency="USD", is_published=True
    )
    history.get_model("catalog", "Stock").objects.create(product=product, total=10)
    return product


def execute(sql: str, *values) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)


@pytest.mark.parametrize("unreadable", ["9999-12-31T23:59:59-05:00", "294276-12-31", "infinity"])
def test_the_migrations_repair_rows_outside_the_range(before, client, django_user_model, caplog, unreadable):
    names = ("never ends", "never starts", "over for ages", "ordinary")
    products = {name: add_product(before, name) for name in names}
    ordinary_end = datetime(2031, 1, 1, tzinfo=UTC)
    execute("UPDATE catalog_product SET sale_ends_at = %s WHERE name = 'ordinary'", ordinary_end)
    execute("UPDATE catalog_product SET sale_ends_at = %s WHERE name = 'never ends'", unreadable)
    execute("UPDATE catalog_product SET sale_starts_at = %s WHERE name = 'never starts'", unreadable)
    execute("UPDATE catalog_product SET sale_ends_at = '0044-03-15 BC' WHERE name = 'over for ages'")
    key, _ = APIKey.objects.create_key(name="for ever")
    over, _ = APIKey.objects.create_key(name="over")
    execute("UPDATE rest_framework_api_key_apikey SET expiry_date = %s WHERE id = %s", unreadable, key.pk)
    execute("UPDATE rest_framework_api_key_apikey SET expiry_date = '-infinity' WHERE id = %s", over.pk)
    every_hour, _ = IntervalSchedule.objects.get_or_create(every=1, period="hours")
    PeriodicTask.objects.create(name="never", task="x", interval=every_hour)
    execute("UPDATE django_celery_beat_periodictask SET start_time = %s WHERE name = 'never'", unreadable)
    admin = django_user_model.objects.create_superuser("ann", password="x")
    execute("UPDATE auth_user SET date_joined = %s, last_login = %s", unreadable, unreadable)
    client.raise_request_exception = False

    with caplog.at_level(logging.WARNING, logger="flashsale.migrations"):
        migrate_to(newest())

    assert "3 products" in caplog.text
    assert "3 versions" in caplog.text
    after = {product.name: product for product in Product.objects.all()}
    assert [after[name].sale_ends_at for name in ("never ends", "over for ages")] == [None, None]
    assert after["never starts"].sale_starts_at is None
    assert {name for name, product in after.items() if product.paused_at} == {"never starts", "over for ages"}
    assert after["ordinary"].sale_ends_at == ordinary_end
    assert list(APIKey.objects.order_by("name").values_list("revoked", "expiry_date")) == [(False, None), (True, None)]
    assert not PeriodicTask.objects.get(name="never").enabled
    client.force_login(admin)
    pages = [reverse("admin:catalog_product_change", args=[product.pk]) for product in products.values()]
    lists = [reverse(f"admin:{m._meta.app_label}_{m._meta.model_name}_changelist") for m in site._registry]
    for path in ("/api/v1/products", "/admin/", *lists, *pages):
        assert client.get(path).status_code == 200, path

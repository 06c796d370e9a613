"""Times in forms of the admin: typed and shown in the shop's zone; the browser's zone does not matter."""

from datetime import UTC, datetime

import pytest
from django.core.exceptions import ValidationError

from catalog.models import Product
from catalog.tests.factories import ProductFactory
from flashsale.core import moments
from flashsale.core.staff.zoned_times import ZonedTimeField, ZonedTimeWidget, meaning_of
from flashsale.tests.support.admin import admin_url
from flashsale.tests.support.browser import DESKTOP, PHONE, assert_fits, open_page
from flashsale.tests.support.forms import filled_in

NOON = datetime(2026, 11, 27, 10, tzinfo=UTC)


@pytest.fixture(autouse=True)
def cairo(settings) -> None:
    settings.TIME_ZONE = "Africa/Cairo"


@pytest.fixture
def berlin(settings) -> None:
    settings.TIME_ZONE = "Europe/Berlin"


@pytest.mark.parametrize(
    ("day", "time", "moment"),
    [
        ("2026-11-27", "12:00", NOON), ("2026-11-27", "12:00:00", NOON), ("2026-11-27", "10:00:00 UTC", NOON),
        ("2026-11-27", "10:00Z", NOON), ("2026-11-27", "05:00:00 -05:00", NOON), ("2026-11-27", "15:30+0530", NOON),
        ("2026-11-27", "12:00:03.5", NOON.replace(second=3, microsecond=500_000)),
        ("2026-07-27", "12:00", datetime(2026, 7, 27, 9, tzinfo=UTC)), ("", "", None),
    ],
)  # fmt: skip
def test_a_time_is_of_the_shops_zone_unless_it_names_another(day, time, moment):
    assert ZonedTimeField(required=False).clean([day, time]) == moment


@pytest.mark.parametrize(
    ("day", "time", "fault"),
    [
        ("2026-11-27", "", "Write a time as 12:00"), ("", "12:00", "Write the date too"),
        ("27.11.2026", "12:00", "Write a date as 2030-01-31."), ("2026-11-27", "noon", "Write a time as 12:00"),
        ("2026-11-27", "24:00", "Write a time as 12:00"), ("2026-11-27", "12:00 +99:00", "Write a time as 12:00"),
        ("2026-11-27", "12:00 pm", "Write a time as 12:00"), ("2026-11-27", "12.00", "Write a time as 12:00"),
    ],
)  # fmt: skip
def test_what_is_no_time_is_refused_with_an_example(day, time, fault):
    with pytest.raises(ValidationError, match=fault):
        ZonedTimeField(required=False).clean([day, time])


def test_a_time_that_the_clocks_skip_is_refused_in_words(berlin):
    with pytest.raises(ValidationError, match=r"2030-03-31 02:30:00 does not exist in Europe/Berlin: .* set forward"):
        ZonedTimeField().clean(["2030-03-31", "02:30"])


def test_a_time_that_the_clocks_show_twice_is_refused_until_its_offset_is_given(berlin):
    refusal = r"exists twice in Europe/Berlin: .* Write it as 02:30:00 \+02:00 or 02:30:00 \+01:00\."

    with pytest.raises(ValidationError, match=refusal):
        ZonedTimeField().clean(["2030-10-27", "02:30"])

    assert ZonedTimeField().clean(["2030-10-27", "02:30:00 +02:00"]) == datetime(2030, 10, 27, 0, 30, tzinfo=UTC)
    assert ZonedTimeField().clean(["2030-10-27", "02:30:00 +01:00"]) == datetime(2030, 10, 27, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "moment",
    [
        NOON, NOON.replace(second=7, microsecond=1), datetime(2030, 10, 27, 0, 30, tzinfo=UTC),
        datetime(2030, 10, 27, 1, 30, tzinfo=UTC), datetime(2030, 3, 31, 1, 0, tzinfo=UTC),
    ],
)  # fmt: skip
def test_what_the_boxes_show_is_the_same_moment_again(berlin, moment):
    field = ZonedTimeField()
    shown = ZonedTimeWidget().decompress(moment)

    assert field.clean(shown) == moment
    assert not field.has_changed(moment, shown)
    assert field.has_changed(moment, ["2031-01-01", "12:00"])


@pytest.mark.parametrize(
    ("zone", "label", "meaning", "words"),
    [
        ("Africa/Cairo", "Africa/Cairo (EET, UTC+02:00)",
         "Friday 2026-11-27 12:00:00 UTC+02:00 = 2026-11-27 10:00:00 UTC", "2026-11-27 12:00:00 EET (10:00:00 UTC)"),
        ("Asia/Dubai", "Asia/Dubai (UTC+04:00)",
         "Friday 2026-11-27 14:00:00 UTC+04:00 = 2026-11-27 10:00:00 UTC", "2026-11-27 14:00:00 +04 (10:00:00 UTC)"),
        ("Pacific/Kiritimati", "Pacific/Kiritimati (UTC+14:00)",
         "Saturday 2026-11-28 00:00:00 UTC+14:00 = 2026-11-27 10:00:00 UTC",
         "2026-11-28 00:00:00 +14 (2026-11-27 10:00:00 UTC)"),
        ("UTC", "UTC", "Friday 2026-11-27 10:00:00 UTC", "2026-11-27 10:00:00 UTC"),
    ],
)  # fmt: skip
def test_a_moment_names_its_zone_and_is_said_in_utc(settings, zone, label, meaning, words):
    settings.TIME_ZONE = zone

    assert moments.zone_at(NOON) == label
    assert meaning_of(NOON) == meaning
    assert moments.in_words(NOON) == words


def test_the_page_names_the_zone_and_has_no_shortcuts_of_the_browsers_zone(admin_client):
    product = ProductFactory(sale_starts_at=NOON)

    page = admin_client.get(admin_url(Product, "change", product.pk)).content.decode()

    assert 'value="2026-11-27"' in page
    assert 'value="12:00:00"' in page
    assert "Africa/Cairo (EET, UTC+02:00)" in page
    assert meaning_of(NOON) in page
    assert "DateTimeShortcuts" not in page


def test_saving_the_page_as_it_is_changes_no_time(admin_client, berlin):
    ambiguous = datetime(2030, 10, 27, 1, 30, 0, 250_000, tzinfo=UTC)
    product = ProductFactory(sale_starts_at=ambiguous)
    url = admin_url(Product, "change", product.pk)

    answer = admin_client.post(url, filled_in(admin_client.get(url), holding="sale_starts_at_0"))

    assert answer.status_code == 302
    product.refresh_from_db()
    assert product.sale_starts_at == ambiguous


def log_in(page) -> None:
    page.goto("/admin/")
    page.fill("input[name=username]", "ann")
    page.fill("input[name=password]", "secret-1")
    page.click("button[type=submit]")
    page.wait_for_selector("#live")


@pytest.mark.parametrize(("viewport", "zone"), [(DESKTOP, "America/Los_Angeles"), (PHONE, "Asia/Tokyo")])
def test_a_browser_in_another_zone_enters_the_shops_time(live_server, django_user_model, viewport, zone):
    django_user_model.objects.create_superuser("ann", password="secret-1")
    product = ProductFactory()

    with open_page(live_server.url, viewport=viewport, zone=zone) as page:
        log_in(page)
        page.goto(admin_url(Product, "change", product.pk))
        page.fill("input[name=sale_starts_at_0]", "2026-11-27")
        page.fill("input[name=sale_starts_at_1]", "12:00")
        said = page.inner_text(".field-sale_starts_at output")
        page.fill("input[name=sale_ends_at_0]", "2027-04-30")
        page.fill("input[name=sale_ends_at_1]", "00:30:00")
        skipped = page.inner_text(".field-sale_ends_at output")
        page.fill("input[name=sale_ends_at_1]", "01:00:00")
        assert_fits(page)
        page.click("button[name=_continue]")
        page.wait_for_selector("text=was changed successfully")
        shown = [page.input_value(f"input[name=sale_starts_at_{part}]") for part in (0, 1)]

    product.refresh_from_db()
    assert product.sale_starts_at == NOON
    assert said == meaning_of(NOON)
    assert skipped == "2027-04-30 00:30:00 does not exist in Africa/Cairo: the clocks are set forward over it."
    assert shown == ["2026-11-27", "12:00:00"]


# Winter, summer, the hours around both changes of the clocks, and offsets that are no whole hours.
TYPED = [
    ("Europe/Berlin", "2030-03-31", "01:59:59"), ("Europe/Berlin", "2030-03-31", "03:00:00"),
    ("Europe/Berlin", "2030-10-27", "03:00:00"), ("Europe/Berlin", "2030-10-27", "02:30:00 +01:00"),
    ("Africa/Cairo", "2026-07-01", "23:59:59"), ("Asia/Kathmandu", "2026-01-01", "00:15:00"),
    ("Pacific/Kiritimati", "2026-01-01", "00:00:00"), ("America/St_Johns", "2026-07-01", "12:00:00"),
    ("UTC", "2026-07-01", "12:00:00"),
]  # fmt: skip


def test_the_script_says_what_the_server_understands(live_server, settings, django_user_model):
    django_user_model.objects.create_superuser("ann", password="secret-1")
    said = []

    with open_page(live_server.url, zone="America/New_York") as page:
        log_in(page)
        for zone, day, time in TYPED:
            settings.TIME_ZONE = zone
            page.goto(admin_url(Product, "add"))
            page.fill("input[name=sale_starts_at_0]", day)
            page.fill("input[name=sale_starts_at_1]", time)
            said.append(
                (page.inner_text(".field-sale_starts_at output"), meaning_of(ZonedTimeField().clean([day, time])))
            )

    assert [script for script, _ in said] == [server for _, server in said]

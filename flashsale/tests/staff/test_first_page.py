"""What the admin's first page shows of the sales, without a browser."""

import itertools
import json
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import Permission
from django.core.cache import cache
from django.db import connection
from django.test import override_settings
from django.utils import timezone

from catalog.tests.factories import ProductFactory
from checkout import orders
from checkout.models import Hold, Order, RefusalCount
from checkout.tests.factories import HoldFactory, OrderFactory
from flashsale.staff import dashboard
from flashsale.staff.dashboard import activity, sales, settled, takings
from payments.models import Dispute, Payment
from payments.tests.factories import receive

# 12:00:30 in UTC and 14:00:30 in Cairo.
NOON = int(datetime(2026, 11, 20, 12, 0, 30, tzinfo=UTC).timestamp())


@pytest.fixture(autouse=True)
def nothing_cached(monkeypatch):
    monkeypatch.setattr(dashboard, "CACHE_SECONDS", 0)
    cache.clear()


def at(second: int) -> datetime:
    return datetime.fromtimestamp(second, tz=UTC)


def paid(product, *, at_second: int, back: Decimal = Decimal(0)) -> Order:
    """Return a paid order that was placed and paid at that time."""
    order = OrderFactory(product=product)
    receive(order_id=order.pk, payment_id=f"pay_{order.pk}")
    moments = {"created_at": at(at_second), "refunded_amount": back}
    Payment.objects.filter(order=order).update(**moments)
    Order.objects.filter(pk=order.pk).update(**moments)
    return order


def test_the_busiest_sales_come_first_and_the_others_are_counted(db, admin_client, monkeypatch):
    monkeypatch.setattr(sales, "SALES_SHOWN", 2)
    quiet, busy, busiest, newest = (ProductFactory(name=name) for name in ("Quiet", "Busy", "Busiest", "Newest"))
    HoldFactory(product=busy)
    [HoldFactory(product=busiest) for _ in range(2)]

    page = admin_client.get("/admin/").content.decode()

    assert page.index(busiest.name) < page.index(busy.name)
    assert not {quiet.name, newest.name} & set(page.replace("<", ">").split(">"))
    assert ">2 more</a>" in page


def test_amounts_are_summed_by_currency_for_the_hour_and_for_the_shops_day(db, monkeypatch):
    monkeypatch.setattr(timezone, "localtime", lambda: at(NOON).astimezone(timezone.get_current_timezone()))
    dollars, yen = ProductFactory(), ProductFactory(price=1200, currency="JPY")
    paid(dollars, at_second=NOON - 10)
    paid(dollars, at_second=NOON - 2 * 3600, back=Decimal("9.99"))
    # 00:30 in Cairo, and the evening before.
    paid(yen, at_second=NOON - 13 * 3600 - 1800)
    paid(yen, at_second=NOON - 15 * 3600)

    with override_settings(TIME_ZONE="Africa/Cairo"):
        money = takings.read(NOON)

    assert money.rows == [
        {"currency": "JPY", "periods": [{"taken": "0 JPY", "back": ""}, {"taken": "1200 JPY", "back": ""}]},
        {
            "currency": "USD",
            "periods": [{"taken": "29.99 USD", "back": ""}, {"taken": "59.98 USD", "back": "9.99 USD"}],
        },
    ]
    assert money.of_products == {dollars.pk: ["59.98 USD"], yen.pk: ["1200 JPY"]}


def test_shortly_after_midnight_the_hour_began_yesterday(product, monkeypatch):
    midnight = NOON - 12 * 3600 - 30
    monkeypatch.setattr(timezone, "localtime", lambda: at(midnight + 90))
    paid(product, at_second=midnight - 600)
    paid(product, at_second=midnight + 60)

    money = takings.read(midnight + 90)

    [row] = money.rows
    assert [period["taken"] for period in row["periods"]] == ["59.98 USD", "29.99 USD"]
    assert money.of_products == {product.pk: ["29.99 USD"]}


def test_the_chart_counts_by_second_and_by_minute(product):
    paid(product, at_second=NOON)
    Hold.objects.update(created_at=at(NOON - 1))
    for seconds, claims in ((0, 5), (1, 6), (700, 7)):
        RefusalCount.objects.create(
            product=product, code="sale_ended", began_at=at(NOON - seconds), seconds=1, claims=claims
        )

    ranges = activity.read(NOON).ranges()

    by_second, by_minute = ranges["seconds"], ranges["minutes"]
    assert (by_second["labels"][0], by_second["labels"][-1]) == ("11:50:31", "12:00:30")
    assert (by_minute["labels"][0], by_minute["labels"][-1]) == ("11:01", "12:00")
    assert {name: numbers[-2:] for name, numbers in by_second["series"].items()} == {
        "holds": [1, 0], "orders": [0, 1], "payments": [0, 1], "refusals": [6, 5],
    }  # fmt: skip
    assert {name: sum(numbers) for name, numbers in by_second["series"].items()}["refusals"] == 11
    assert by_minute["series"]["refusals"][-13:] == [7, *[0] * 11, 11]


def test_a_time_that_the_clock_shows_twice_is_counted_once(product):
    """In Cairo, summer time ended at midnight of 30 October 2026: the hour from 23:00 was repeated."""
    second_time = int(datetime(2026, 10, 29, 21, 30, tzinfo=UTC).timestamp())
    HoldFactory(product=product)
    Hold.objects.update(created_at=at(second_time - 10))

    with override_settings(TIME_ZONE="Africa/Cairo"):
        ranges = activity.read(second_time).ranges()

    assert ranges["minutes"]["labels"][-1] == "23:30"
    assert sum(ranges["minutes"]["series"]["holds"]) == 1
    assert ranges["seconds"]["series"]["holds"][-11] == 1


def test_old_rows_are_counted_twice_a_minute_and_new_ones_every_time(product):
    HoldFactory(product=product)
    Hold.objects.update(created_at=at(NOON - settled.LIVE_SECONDS - 1))
    assert sum(activity.read(NOON).ranges()["minutes"]["series"]["holds"]) == 1

    HoldFactory(product=product)
    Hold.objects.filter(created_at__gt=at(NOON)).update(created_at=at(NOON))
    Hold.objects.filter(created_at__lt=at(NOON)).delete()

    # Its old row is in the cache, and the new one was read.
    assert sum(activity.read(NOON + 1).ranges()["minutes"]["series"]["holds"]) == 2
    cache.clear()
    assert sum(activity.read(NOON + 1).ranges()["minutes"]["series"]["holds"]) == 1


def test_conversion_says_what_became_of_holds_and_orders(product, monkeypatch):
    for number in range(4):
        hold = HoldFactory(product=product)
        if number < 3:
            orders.place(hold_id=hold.pk)
    receive(order_id=Order.objects.first().pk, payment_id="pay_1")
    # Its hold is older than an hour.
    late = OrderFactory(product=product)
    Hold.objects.filter(pk=late.hold_id).update(created_at=timezone.now() - timedelta(hours=2))

    steps = activity.read(int(time.time())).conversion()

    assert [(step["name"], step["n"], step.get("note", "")) for step in steps] == [
        ("holds", 4, ""),
        ("orders", 4, "75% of the holds were ordered"),
        ("paid", 1, "25% of the orders are paid"),
    ]


def test_without_holds_and_money_the_page_says_so(admin_client):
    page = " ".join(admin_client.get("/admin/").content.decode().split())

    assert "Nothing is on sale." in page
    assert "No money was taken today." in page
    assert "No holds and no orders in the last hour." in page
    assert "No sale is planned." in page


def test_an_all_clear_is_said_in_words_and_a_refund_that_is_due_stands_out(admin_client, product, monkeypatch):
    monkeypatch.setattr(dashboard.attention, "_silent_workers", lambda: 0)
    monkeypatch.setattr(dashboard.attention.audit, "last_result", lambda: 0)
    calm = admin_client.get("/admin/live/").content.decode()
    order = paid(product, at_second=int(time.time()))
    # A part of it has to be given back.
    Payment.objects.filter(order=order).update(refund_target=Decimal(1))

    urgent = admin_client.get("/admin/live/").content.decode()

    assert "All clear" in calm
    assert "live-urgent" not in calm
    assert "All clear" not in urgent
    assert urgent.count("live-urgent") == 1
    assert "<strong>1</strong> Refunds due" in urgent


def test_what_is_not_known_is_no_all_clear(admin_client, dead_redis):
    page = admin_client.get("/admin/live/").content.decode()

    assert "All clear" not in page
    assert "live-unknown" in page


def test_each_number_leads_to_the_rows_that_it_counts(admin_client, product):
    for number in range(3):
        paid(product, at_second=int(time.time()) + number)
    one, other, _ = Payment.objects.order_by("pk")
    Payment.objects.filter(pk=one.pk).update(refund_target=Decimal(1))
    receive(order_id=other.order_id, payment_id="pay_2")
    receive(order_id=other.order_id, payment_id="pay_3", amount="1.00")
    for status in Dispute.Status.values:
        Dispute.objects.create(
            payment=other, dispute_id=status, status=status, created_at=timezone.now(), as_of=timezone.now()
        )
    numbers = {item["name"]: (item["n"], item["url"]) for item in dashboard.attention.items()}

    for name, expected in {
        "Refunds due": 2,
        "Events to review": 1,
        "Disputes open or lost": 2,
        "Dead events": 0,
    }.items():
        count, url = numbers[name]
        listed = admin_client.get(url).context["cl"].result_list
        assert (name, count, len(listed)) == (name, expected, expected)


@override_settings(TIME_ZONE="Africa/Cairo")
def test_the_next_sale_has_its_date_time_and_zone(admin_client, db):
    soonest = ProductFactory(name="Soonest", sale_starts_at=datetime(2999, 6, 1, 9, 0, 5, tzinfo=UTC))
    ProductFactory(name="Later", sale_starts_at=datetime(2999, 6, 1, 9, 0, 6, tzinfo=UTC))

    page = admin_client.get("/admin/").content.decode()

    assert "Soonest</a>" in page
    assert "Later</a>" not in page
    assert "Sat 1 June 2999, 12:00:05</time> Africa/Cairo" in page
    assert f'data-starts-ms="{int(1000 * soonest.sale_starts_at.timestamp())}"' in page


@pytest.mark.parametrize(("is_paused", "words", "action"), [(False, "Pause", "pause"), (True, "Resume", "resume")])
def test_each_sale_has_a_button_for_those_who_may_pause_it(page_of, is_paused, words, action):
    product = ProductFactory(paused_at=timezone.now() if is_paused else None)
    link = f'href="/admin/catalog/product/{product.pk}/act/{action}/">{words}<'

    allowed = page_of("catalog.view_product", "catalog.view_stock", "catalog.pause_product")
    others = page_of("catalog.view_product", "catalog.view_stock", "catalog.change_product")

    assert [link in page for page in (*allowed, *others)] == [True, True, False, False]


def test_the_money_of_a_sale_needs_the_permission_to_view_orders(page_of, db):
    paid(ProductFactory(), at_second=int(time.time()))

    allowed = page_of("catalog.view_product", "catalog.view_stock", "checkout.view_order")
    others = page_of("catalog.view_product", "catalog.view_stock", "payments.view_payment")

    assert ["Paid orders of today: 29.99 USD" in page for page in (*allowed, *others)] == [True, True, False, False]


def test_a_part_of_the_chart_needs_the_permission_of_its_rows(page_of):
    page, _ = page_of("checkout.view_order")

    _, _, rest = page.partition('<script id="live-chart-data" type="application/json">')
    chart = json.loads(rest.partition("</script>")[0])
    assert [set(one["series"]) for one in chart["ranges"].values()] == [{"orders"}, {"orders"}]


@pytest.mark.parametrize(
    ("sql", "indexes"),
    [
        (activity._ACTIVITY, {"hold_by_creation", "order_by_creation", "payment_by_creation", "refusal_count_by_time"}),
        (takings._TAKINGS, {"payment_by_creation"}),
    ],
    ids=["activity", "takings"],
)
def test_rows_are_found_by_the_time_of_their_creation(new_tables, sql, indexes):
    moments = {"since": "2026-11-20T12:00Z", "until": "2026-11-20T13:00Z", "today": "2026-11-20T00:00Z"}
    with connection.cursor() as cursor:
        # Few rows are read faster one by one; the question is which index PostgreSQL has for many.
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {sql}", moments)
        plan = "\n".join(line for (line,) in cursor.fetchall())

    assert {name for name in indexes if name in plan} == indexes


PARTS = {
    "catalog.view_product": set(),
    "catalog.view_stock": {"Products with wrong counters"},
    "checkout.view_hold": {"Conversion", "</strong> holds", '"holds"', '"refusals"'},
    "checkout.view_order": {"Conversion", "</strong> paid", '"orders"', "Silent workers"},
    "payments.view_payment": {"Refunds due", "Money taken", '"payments"'},
    "payments.view_dispute": {"Disputes open or lost"},
    "outbox.view_endpoint": {"Endpoints that take no events"},
    "payments.view_webhookevent": {"Events to review", "Dead events"},
}
EVERY_PART = set().union(*PARTS.values()) | {"On sale", "Next sale", "Widget", "% of the holds"}


@pytest.fixture
def page_of(client, django_user_model):
    """Returns what a member of staff with these permissions is shown, and is sent every two seconds."""
    HoldFactory(product=ProductFactory(name="Widget"))
    ProductFactory(name="Widget II", sale_starts_at=timezone.now() + timedelta(hours=1))

    numbers = itertools.count()

    def show(*permissions: str) -> tuple[str, str]:
        person = django_user_model.objects.create_user(f"eve-{next(numbers)}", is_staff=True)
        wanted = [permission.partition(".") for permission in permissions]
        person.user_permissions.set(
            Permission.objects.get(content_type__app_label=app, codename=codename) for app, _, codename in wanted
        )
        client.force_login(person)
        pages = [client.get(path).content.decode() for path in ("/admin/", "/admin/live/")]
        return tuple(page.partition('id="live"')[2] or page for page in pages)

    return show


def parts_in(page: str) -> set[str]:
    text = " ".join(page.split())
    return {part for part in EVERY_PART if part in text}


def test_staff_without_a_role_see_no_figures_and_the_reason(page_of):
    for page in page_of():
        assert parts_in(page) == set()
        assert "an administrator can give you a role" in page


@pytest.mark.parametrize("permission", PARTS)
def test_each_part_needs_the_permission_to_view_what_it_counts(page_of, permission):
    pages = page_of(permission)

    shown = {"Next sale", "Widget"} if permission == "catalog.view_product" else PARTS[permission]
    assert [parts_in(page) for page in pages] == [shown, shown]


def test_bars_need_the_permissions_to_view_products_and_stock(page_of):
    for page in page_of("catalog.view_product", "catalog.view_stock"):
        assert {"On sale", "Widget"} <= parts_in(page)


def test_a_link_needs_the_permission_to_open_its_page(page_of):
    for page in page_of("checkout.view_order"):
        assert "/django_celery_beat/periodictask/" not in page


def test_an_administrator_sees_everything(admin_client, page_of):
    pages = [admin_client.get(path).content.decode() for path in ("/admin/", "/admin/live/")]

    assert [parts_in(page) for page in pages] == [EVERY_PART, EVERY_PART]

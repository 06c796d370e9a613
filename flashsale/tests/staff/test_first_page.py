"""What the admin's first page shows of the sales, without a browser."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from catalog.tests.factories import ProductFactory
from checkout.tests.factories import HoldFactory
from flashsale.staff import dashboard


def test_the_busiest_sales_come_first_and_the_others_are_counted(db, admin_client, monkeypatch):
    monkeypatch.setattr(dashboard, "CACHE_SECONDS", 0)
    monkeypatch.setattr(dashboard, "SALES_SHOWN", 2)
    quiet, busy, busiest, newest = (ProductFactory(name=name) for name in ("Quiet", "Busy", "Busiest", "Newest"))
    HoldFactory(product=busy)
    [HoldFactory(product=busiest) for _ in range(2)]

    page = admin_client.get("/admin/").content.decode()

    assert page.index(busiest.name) < page.index(busy.name)
    assert not {quiet.name, newest.name} & set(page.replace("<", ">").split(">"))
    assert ">2 more</a>" in page


PARTS = {
    "catalog.view_product": set(),
    "catalog.view_stock": {"Products with wrong counters"},
    "checkout.view_hold": {"Last hour", "</strong> holds", '"refusals"'},
    "checkout.view_order": {"Last hour", "</strong> paid", '"orders"', "Silent workers"},
    "payments.view_payment": {"Refunds due"},
    "payments.view_webhookevent": {"Events to review", "Dead events"},
}
EVERY_PART = set().union(*PARTS.values()) | {"On sale", "Next sale", "Widget"}


@pytest.fixture
def page_of(client, django_user_model, monkeypatch):
    """Returns what a member of staff with these permissions is shown, and is sent every two seconds."""
    monkeypatch.setattr(dashboard, "CACHE_SECONDS", 0)
    HoldFactory(product=ProductFactory(name="Widget"))
    ProductFactory(name="Widget II", sale_starts_at=timezone.now() + timedelta(hours=1))

    def show(*permissions: str) -> tuple[str, str]:
        person = django_user_model.objects.create_user("eve", is_staff=True)
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

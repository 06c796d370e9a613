"""The menu by task: the words that people use, only what a member of staff may view, and what needs a decision."""

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group, Permission, User
from django.core.cache import cache
from django.core.management import call_command
from django.test import RequestFactory
from django.urls import reverse
from django_otp.plugins.otp_totp.models import TOTPDevice

from checkout.tests.factories import OrderFactory
from flashsale.staff import menu, names
from flashsale.tests.support.admin import admin_url, decide
from payments.models import Payment
from payments.tests.factories import receive

TECHNICAL = (
    "otp_totp",
    "rest_framework_api_key",
    "API Key",
    "TOTP",
    "django_celery_beat",
    "Celery",
    "Crontab",
    "Authentication and",
)


@pytest.fixture(autouse=True)
def _fresh_counts():
    cache.clear()


def shown_to(user) -> dict[str, list[str]]:
    """Return the titles of the menu's parts and links."""
    request = RequestFactory().get("/admin/")
    request.user = user
    return {group.get("title", ""): [item["title"] for item in group["items"]] for group in menu.groups(request)}


def badges_shown_to(user) -> dict[str, str]:
    request = RequestFactory().get("/admin/")
    request.user = user
    return {
        item["title"]: item["badge"] for group in menu.groups(request) for item in group["items"] if item.get("badge")
    }


def test_a_superuser_has_every_part(admin_user):
    assert shown_to(admin_user) == {
        "": ["The sale now"],
        "Sale": ["Products", "Stock", "Stock adjustments"],
        "Orders": ["Orders", "Holds"],
        "Money": ["Webhook events", "Payments", "Payment attempts", "Refunds", "Disputes"],
        "Back end": ["Webhook endpoints", "Deliveries", "Shop events"],
        "Staff": ["Accounts", "Roles", "API tokens", "Two-factor devices", "Failed log-ins"],
        "System": ["Staff activity", "Schedule", "Intervals", "Times of day", "API description"],
    }


def test_every_list_of_the_admin_is_in_the_menu():
    listed = {entry.model for entries in menu.PARTS.values() for entry in entries}

    assert {model._meta.label for model in admin.site._registry} - listed == set()
    assert {model._meta.app_label for model in admin.site._registry} == set(names.APPS)


@pytest.mark.parametrize(
    ("role", "missing"),
    [
        ("viewer", {"Staff"}),
        ("operator", {"Staff"}),
        ("manager", set()),
    ],
)
def test_each_role_has_the_parts_that_it_may_view(roles, django_user_model, role, missing):
    person = django_user_model.objects.create_user("eve", is_staff=True)
    person.groups.add(Group.objects.get(name=role))

    parts = shown_to(person)

    assert {"", "Sale", "Orders", "Money", "Back end", "Staff", "System"} - parts.keys() == missing
    assert "Accounts" not in parts.get("Staff", [])


def test_links_need_the_permission_to_view_their_lists(client, django_user_model):
    person = django_user_model.objects.create_user("eve", is_staff=True)
    person.user_permissions.add(Permission.objects.get(codename="view_hold"))
    client.force_login(person)

    page = client.get("/admin/checkout/hold/").content.decode()

    assert shown_to(person) == {"": ["The sale now"], "Orders": ["Holds"], "System": ["API description"]}
    assert "/admin/checkout/hold/" in page
    assert "/admin/checkout/order/" not in page


def test_what_needs_a_decision_has_a_number(admin_user, django_assert_max_num_queries):
    order = OrderFactory()
    receive(key="evt_1", order_id=order.pk, payment_id="pay_1")
    receive(key="evt_2", order_id=order.pk, payment_id="pay_2")
    receive(key="evt_3", order_id=OrderFactory().pk, payment_id="pay_3", amount="1.00")

    assert badges_shown_to(admin_user) == {"Webhook events": "1", "Payments": "1"}
    with django_assert_max_num_queries(0):
        badges_shown_to(admin_user)


def test_a_number_is_counted_to_a_limit(admin_user, monkeypatch):
    monkeypatch.setattr(menu, "MAX_COUNT", 1)
    order = OrderFactory()
    for number in range(3):
        receive(key=f"evt_{number}", order_id=order.pk, payment_id=f"pay_{number}")

    assert Payment.objects.filter(status="refund_due").count() == 2
    assert badges_shown_to(admin_user) == {"Payments": "1+"}


@pytest.mark.parametrize("app", sorted({model._meta.app_label for model in admin.site._registry}))
def test_an_apps_page_is_its_part_of_the_menu(admin_client, app):
    page = admin_client.get(reverse("admin:app_list", args=[app])).content.decode()

    assert f"<title> {names.APPS[app]} | Flash sale</title>" in page
    for entry in menu.PARTS[names.APPS[app]]:
        assert entry.link() in page


@pytest.mark.parametrize("model", sorted(admin.site._registry, key=lambda model: model._meta.label))
def test_pages_have_no_technical_names(admin_client, model):
    page = admin_client.get(reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"))

    # What a person reads, without addresses and scripts.
    text = " ".join(part.partition(">")[2] for part in page.content.decode().split("<"))
    assert [word for word in TECHNICAL if word in text] == []


def test_names_on_pages_change_no_migration(db):
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)

    assert apps.get_model("auth.Group")._meta.verbose_name == "role"


def test_an_app_without_a_page_is_not_found(admin_client, client):
    assert admin_client.get("/admin/sessions/").status_code == 404
    assert admin_client.get("/admin/nothing/").status_code == 404


def test_activity_lists_what_staff_did(admin_client, admin_user):
    order = OrderFactory(customer_id="customer-77")
    decide(admin_client, order, "cancel", note="Ticket 17")

    page = admin_client.get("/admin/admin/logentry/", {"q": admin_user.username}).content.decode()

    assert f'href="{admin_url(type(order), "change", order.pk)}"' in page
    assert "Note: Ticket 17" in page


def test_accounts_say_whether_their_log_ins_need_a_code(admin_client, admin_user, django_assert_max_num_queries):
    TOTPDevice.objects.create(user=admin_user, name="phone", confirmed=True)
    for name in ("ann", "bob", "eve"):
        User.objects.create_user(name)

    with django_assert_max_num_queries(12):
        page = admin_client.get("/admin/auth/user/").content.decode()

    assert [page.count(f">{state}<") for state in ("On", "Off")] == [1, 3]

"""A lock can be seen and removed, in the admin and by a command; old failures are purged."""

from datetime import timedelta

import pytest
from django.conf import settings as configured
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from flashsale.models import LoginFailure
from flashsale.staff.logins import attempts
from flashsale.tests.support.admin import admin_url, messages_of
from flashsale.tests.support.forms import filled_in
from flashsale.tests.support.logins import log_in


@pytest.fixture
def locked(client, ann, no_rate, address) -> str:
    """An address from which ann's name is locked."""
    for _ in range(configured.LOGIN_MAX_FAILURES):
        log_in(client, "wrong", address=address)
    return address


def test_staff_see_and_unlock_a_name_in_the_admin(client, admin_client, locked):
    listed = reverse("admin:flashsale_loginfailure_changelist")

    page = admin_client.get(listed).content.decode()
    told = admin_client.post(
        listed, {"action": "unlock", "_selected_action": LoginFailure.objects.get().pk}, follow=True
    ).content.decode()

    assert f"address {locked}" in page
    assert f"Unlocked ann, address {locked}." in told
    assert log_in(client, address=locked).status_code == 302
    assert LogEntry.objects.get().get_change_message() == f"Unlocked ann from address {locked}"


def test_the_list_and_the_page_say_until_when_a_name_is_locked(admin_client, locked):
    LoginFailure.objects.create(name="bob", source="two-factor page", failures=1, last_at=timezone.now())
    failure = LoginFailure.objects.get(name="ann")
    until = timezone.localtime(failure.last_at + timedelta(minutes=configured.LOGIN_LOCKOUT_MINUTES))

    pages = [admin_client.get(admin_url(LoginFailure, *where)) for where in (("changelist",), ("change", failure.pk))]

    for page in pages:
        assert f"{until:%Y-%m-%d %H:%M:%S} UTC" in page.content.decode()
        assert "Locked" in page.content.decode()
    assert "Not locked" in pages[0].content.decode()


def test_a_name_is_unlocked_by_a_button_on_the_page_of_its_failures(client, admin_client, locked):
    failure = LoginFailure.objects.get()
    page = admin_client.get(admin_url(LoginFailure, "change", failure.pk))

    told = admin_client.post(admin_url(LoginFailure, "changelist"), filled_in(page, holding="action"), follow=True)

    assert messages_of(told) == [f"Unlocked ann, address {locked}."]
    assert log_in(client, address=locked).status_code == 302


def test_unlocking_needs_the_permission(client, locked, django_user_model):
    viewer = django_user_model.objects.create_user("eve", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_loginfailure"))
    client.force_login(viewer)
    fields = {"action": "unlock", "_selected_action": LoginFailure.objects.get().pk}

    client.post(reverse("admin:flashsale_loginfailure_changelist"), fields)

    assert LoginFailure.objects.exists()


@pytest.mark.parametrize(("arguments", "left"), [([], 0), (["--name", "ann"], 1), (["--name", "nobody"], 2)])
def test_the_command_unlocks(locked, address, arguments, left):
    LoginFailure.objects.create(name="bob", source="address 192.0.2.1", failures=9, last_at="2999-01-01T00:00Z")

    call_command("unlock_logins", *arguments)

    assert LoginFailure.objects.count() == left


@pytest.mark.django_db(transaction=True)
def test_failures_whose_lock_is_over_are_purged():
    for name, last_at in (("old", "2026-01-01T00:00Z"), ("new", "2999-01-01T00:00Z")):
        LoginFailure.objects.create(name=name, source="address 192.0.2.1", failures=9, last_at=last_at)

    purged = attempts.purge()

    assert purged == 1
    assert LoginFailure.objects.get().name == "new"

"""Each member of staff enrols an authenticator app, which counts once a code of it was entered."""

import io
import re
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone
from django_otp.oath import totp
from django_otp.plugins.otp_totp.models import TOTPDevice

from flashsale.models import LoginFailure
from flashsale.staff.two_factor import devices
from flashsale.tests.support.admin import admin_url, decide, messages_of
from flashsale.tests.support.logins import log_in

PAGE = "/admin/two-factor/"


@pytest.fixture
def staff(client, ann, no_rate):
    """A client that ann is logged in with."""
    client.force_login(ann)
    return client


@pytest.fixture
def device(ann) -> TOTPDevice:
    """The app that ann's log-ins need a code of."""
    return TOTPDevice.objects.create(user=ann, name="phone", confirmed=True)


def code_of(device: TOTPDevice, *, steps: int = 0) -> str:
    """Return the code that the app shows, now or that many times 30 s later."""
    return f"{totp(device.bin_key, drift=steps):06d}"


def enrol(client) -> TOTPDevice:
    """Set up an app and enter its first code."""
    client.post(PAGE, {"step": "begin", "password": "secret-1"})
    device = TOTPDevice.objects.get(confirmed=False)
    client.post(PAGE, {"step": "confirm", "code": code_of(device)})
    return TOTPDevice.objects.get(pk=device.pk)


def test_the_account_menu_leads_to_the_page(staff):
    page = staff.get("/admin/").content.decode()

    assert f'href="{PAGE}"' in page
    assert "Two-factor log-in is off" in staff.get(PAGE).content.decode()


def test_the_set_up_needs_the_password(staff):
    answer = staff.post(PAGE, {"step": "begin", "password": "wrong"})

    assert "This is not your password." in answer.content.decode()
    assert not TOTPDevice.objects.exists()


def test_the_page_shows_the_picture_and_the_secret_to_type(staff, ann):
    page = staff.post(PAGE, {"step": "begin", "password": "secret-1"}, follow=True).content.decode()

    device = TOTPDevice.objects.get(user=ann)
    assert 'src="data:image/svg+xml;' in page
    assert devices.secret_of(device) in page
    assert not device.confirmed


def test_a_set_up_does_not_count_before_its_first_code(staff, address, client):
    staff.post(PAGE, {"step": "begin", "password": "secret-1"})

    assert log_in(client, address=address).status_code == 302


def test_from_the_first_code_on_log_ins_need_one(staff, ann, address):
    told = enrol(staff)

    assert told.confirmed
    assert log_in(staff, address=address).status_code == 200
    assert log_in(staff, address=address, otp_token=code_of(told, steps=1)).status_code == 302
    assert LogEntry.objects.get().get_change_message() == "Switched on two-factor log-in."
    assert LogEntry.objects.get().user == ann


def test_a_wrong_first_code_changes_nothing(staff):
    staff.post(PAGE, {"step": "begin", "password": "secret-1"})

    answer = staff.post(PAGE, {"step": "confirm", "code": "000000"})

    assert "This code is wrong" in answer.content.decode()
    assert not TOTPDevice.objects.get().confirmed


def test_the_set_up_pressed_twice_shows_one_secret(staff):
    for _ in range(2):
        staff.post(PAGE, {"step": "begin", "password": "secret-1"})

    assert TOTPDevice.objects.count() == 1


def test_an_old_set_up_begins_again(staff):
    staff.post(PAGE, {"step": "begin", "password": "secret-1"})
    old = TOTPDevice.objects.get()
    TOTPDevice.objects.update(created_at=timezone.now() - timedelta(minutes=devices.SET_UP_MINUTES + 1))

    told = messages_of(staff.post(PAGE, {"step": "confirm", "code": code_of(old)}, follow=True))

    assert told == [devices.SetUpExpired.title]
    assert devices.secret_of(old) not in staff.get(PAGE).content.decode()
    staff.post(PAGE, {"step": "begin", "password": "secret-1"})
    assert TOTPDevice.objects.get().key != old.key


def test_a_set_up_can_be_cancelled(staff):
    staff.post(PAGE, {"step": "begin", "password": "secret-1"})

    staff.post(PAGE, {"step": "cancel"})

    assert not TOTPDevice.objects.exists()


def test_the_secret_of_an_app_that_counts_is_on_no_page(staff, admin_client, device):
    pages = [
        staff.get(PAGE),
        admin_client.get(admin_url(TOTPDevice, "changelist")),
        admin_client.get(admin_url(TOTPDevice, "change", device.pk)),
        admin_client.get(reverse("admin:otp_totp_totpdevice_export")),
    ]

    for page in pages:
        text = page.getvalue().decode()
        assert devices.secret_of(device).replace(" ", "") not in text.replace(" ", "")
        assert device.key not in text
        assert "data:image/svg" not in text
    assert admin_client.get(f"/admin/otp_totp/totpdevice/{device.pk}/qrcode/").status_code in (302, 404)
    assert admin_client.get(f"/admin/otp_totp/totpdevice/{device.pk}/config/").status_code in (302, 404)


@pytest.mark.parametrize("step", ["begin", "remove"])
def test_replacing_and_removing_an_app_need_its_code(staff, device, step):
    without = staff.post(PAGE, {"step": step, "password": "secret-1"})
    wrong = staff.post(PAGE, {"step": step, "password": "secret-1", "code": "000000"})

    assert [without.status_code, wrong.status_code] == [200, 200]
    assert list(TOTPDevice.objects.all()) == [device]


def test_an_app_is_removed_by_its_owner(staff, device, address):
    told = staff.post(PAGE, {"step": "remove", "password": "secret-1", "code": code_of(device)}, follow=True)

    assert "Two-factor log-in is off" in messages_of(told)[0]
    assert log_in(staff, address=address).status_code == 302
    assert LogEntry.objects.get().get_change_message() == "Switched off two-factor log-in."


def test_an_app_counts_until_the_one_that_replaces_it_was_used(staff, device):
    staff.post(PAGE, {"step": "begin", "password": "secret-1", "code": code_of(device)})
    new = TOTPDevice.objects.get(confirmed=False)

    assert devices.active(device.user) == device
    staff.post(PAGE, {"step": "confirm", "code": code_of(new)})
    assert list(TOTPDevice.objects.all()) == [new]
    assert devices.active(device.user) == new


def test_a_code_is_used_once(staff, device):
    code = code_of(device)
    staff.post(PAGE, {"step": "begin", "password": "secret-1", "code": code})
    staff.post(PAGE, {"step": "cancel"})

    answer = staff.post(PAGE, {"step": "remove", "password": "secret-1", "code": code})

    assert "This code is wrong or was used before." in answer.content.decode()
    assert devices.active(device.user) == device


def test_guesses_lock_the_page_and_can_be_unlocked(staff, device, settings, admin_client):
    guess = {"step": "remove", "password": "secret-1", "code": "000000"}

    answers = [staff.post(PAGE, guess).status_code for _ in range(settings.LOGIN_MAX_FAILURES)]
    right = staff.post(PAGE, guess | {"code": code_of(device)})

    assert answers == [200] * (settings.LOGIN_MAX_FAILURES - 1) + [429]
    assert right.status_code == 429
    assert devices.active(device.user) == device
    decide(admin_client, LoginFailure.objects.get(), "unlock")
    assert not LoginFailure.objects.exists()


def test_a_locked_name_gets_no_code_compared(staff, device, settings):
    for _ in range(settings.LOGIN_MAX_FAILURES):
        staff.post(PAGE, {"step": "begin", "password": "wrong", "code": "000000"})

    staff.post(PAGE, {"step": "begin", "password": "secret-1", "code": code_of(device)})

    assert TOTPDevice.objects.get() == device


@pytest.fixture
def manager(roles, django_user_model):
    user = django_user_model.objects.create_user("maria", password="secret-2", is_staff=True)
    user.groups.add(Group.objects.get(name="manager"))
    return user


def test_a_manager_removes_the_app_of_a_lost_phone(client, manager, device, ann):
    client.force_login(manager)
    page = client.get(admin_url(TOTPDevice, "change", device.pk)).content.decode()
    button = re.search(r'class="page-button" href="([^"]*)"', page)[1]

    asked = client.get(button).content.decode()
    told = decide(client, device, "remove", note="She called")

    assert "log-ins need the password only" in asked
    assert messages_of(told) == ["Two-factor log-in of ann is off."]
    assert not TOTPDevice.objects.exists()
    entry = LogEntry.objects.get()
    assert (entry.user, entry.get_edited_object()) == (manager, ann)
    assert "Note: She called" in entry.get_change_message()


def test_the_button_on_the_page_of_a_removed_app_leads_to_the_list(client, manager, device):
    client.force_login(manager)
    url = reverse("admin:otp_totp_totpdevice_act", args=[device.pk, "remove"])

    told = client.post(
        url, {"confirmed": "yes", "_selected_action": device.pk, "action": "remove", "note": "x"}, follow=True
    )

    assert told.redirect_chain == [(admin_url(TOTPDevice, "changelist"), 302)]
    assert messages_of(told) == ["Two-factor log-in of ann is off."]


def test_the_command_removes_the_app_of_an_account(device):
    call_command("remove_two_factor", "--name", "ann", stdout=io.StringIO())

    assert not TOTPDevice.objects.exists()


def test_the_command_refuses_an_unknown_name(device):
    with pytest.raises(CommandError, match="no account 'bob'"):
        call_command("remove_two_factor", "--name", "bob")

    assert TOTPDevice.objects.exists()


def test_a_code_right_after_wrong_ones_has_to_wait(staff, device):
    staff.post(PAGE, {"step": "remove", "password": "secret-1", "code": "000000"})

    answer = staff.post(PAGE, {"step": "remove", "password": "secret-1", "code": code_of(device)})

    assert "Wait half a minute" in answer.content.decode()
    assert TOTPDevice.objects.exists()


def test_one_s_own_app_is_not_removed_in_the_list(client, admin_user):
    device = TOTPDevice.objects.create(user=admin_user, name="phone", confirmed=True)
    client.force_login(admin_user)

    told = decide(client, device, "remove", note="x")

    assert devices.DeviceOfOwner.title in messages_of(told)[0]
    assert TOTPDevice.objects.exists()


def test_a_manager_does_not_remove_the_app_of_a_superuser(client, manager, admin_user):
    device = TOTPDevice.objects.create(user=admin_user, name="phone", confirmed=True)
    client.force_login(manager)

    told = decide(client, device, "remove", note="x")

    assert devices.DeviceOfSuperuser.title in messages_of(told)[0]
    assert TOTPDevice.objects.exists()


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_other_roles_do_not_see_the_devices(client, roles, ann, device, role):
    ann.groups.add(Group.objects.get(name=role))
    client.force_login(ann)

    assert client.get(admin_url(TOTPDevice, "changelist")).status_code == 403


def test_no_device_is_added_changed_or_deleted_elsewhere(admin_client, device):
    assert admin_client.get(admin_url(TOTPDevice, "add")).status_code == 403
    assert admin_client.post(admin_url(TOTPDevice, "delete", device.pk), {"post": "yes"}).status_code == 403
    admin_client.post(admin_url(TOTPDevice, "changelist"), {"action": "delete_selected", "_selected_action": device.pk})
    assert TOTPDevice.objects.exists()


def test_the_page_is_for_staff_only(client, django_user_model):
    client.force_login(django_user_model.objects.create_user("buyer"))

    assert client.post(PAGE, {"step": "begin", "password": "x"}).status_code == 302
    assert not TOTPDevice.objects.exists()

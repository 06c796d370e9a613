"""Logging in to the admin: password, lock after failures, and the code of an authenticator app."""

import pytest
from django_otp.oath import totp
from django_otp.plugins.otp_totp.models import TOTPDevice

LOGIN = "/admin/login/"


@pytest.fixture
def ann(django_user_model, db, settings):
    settings.LOGINS_PER_MINUTE = settings.LOGINS_PER_MINUTE_OVERALL = 0
    return django_user_model.objects.create_user("ann", password="secret-1", is_staff=True)


def log_in(client, password: str, *, address: str = "192.0.2.1"):
    return client.post(f"{LOGIN}?next=/admin/", {"username": "ann", "password": password}, REMOTE_ADDR=address)


def test_the_right_password_logs_in(client, ann):
    assert log_in(client, "secret-1").status_code == 302


def test_too_many_failures_lock_the_name_for_their_address(client, ann, settings):
    answers = [log_in(client, "wrong").status_code for _ in range(settings.LOGIN_MAX_FAILURES)]

    locked = log_in(client, "secret-1")

    assert answers == [200] * (settings.LOGIN_MAX_FAILURES - 1) + [429]
    assert locked.status_code == 429
    assert "Too many wrong passwords" in locked.content.decode()
    assert log_in(client, "secret-1", address="192.0.2.2").status_code == 302


def test_a_successful_login_resets_the_failures(client, ann, settings):
    for _ in range(2):
        for _ in range(settings.LOGIN_MAX_FAILURES - 1):
            log_in(client, "wrong")
        assert log_in(client, "secret-1").status_code == 302


@pytest.fixture
def device(ann) -> TOTPDevice:
    """The authenticator app of the account."""
    return TOTPDevice.objects.create(user=ann, name="phone", confirmed=True)


def code_of(device: TOTPDevice) -> str:
    return f"{totp(device.bin_key):06d}"


def log_in_with_code(client, code: str):
    fields = {"username": "ann", "password": "secret-1", "otp_token": code}
    return client.post(f"{LOGIN}?next=/admin/", fields, REMOTE_ADDR="192.0.2.1")


def test_an_account_with_an_authenticator_app_needs_its_code(client, device):
    without = log_in(client, "secret-1")
    wrong = log_in_with_code(client, f"{(int(code_of(device)) + 1) % 1_000_000:06d}")
    device.refresh_from_db()
    device.throttle_reset()

    assert "Enter the code that your authenticator app shows now." in without.content.decode()
    assert "This code is wrong or was used before." in wrong.content.decode()
    assert "_auth_user_id" not in client.session
    assert log_in_with_code(client, code_of(device)).status_code == 302


def test_a_code_is_accepted_once(client, device):
    code = code_of(device)
    first = log_in_with_code(client, code)
    client.logout()

    assert (first.status_code, log_in_with_code(client, code).status_code) == (302, 200)


def test_a_code_of_another_accounts_app_is_refused(client, ann, django_user_model):
    TOTPDevice.objects.create(user=ann, name="phone", confirmed=True)
    other = TOTPDevice.objects.create(user=django_user_model.objects.create_user("bob"), name="phone", confirmed=True)

    assert log_in_with_code(client, code_of(other)).status_code == 200


def test_a_code_without_the_password_is_refused(client, device):
    fields = {"username": "ann", "password": "wrong", "otp_token": code_of(device)}

    answer = client.post(f"{LOGIN}?next=/admin/", fields, REMOTE_ADDR="192.0.2.1")

    assert answer.status_code == 200
    assert "authenticator app shows now" not in answer.content.decode()

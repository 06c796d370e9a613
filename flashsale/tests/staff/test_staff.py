"""Signing in, and what is kept of who changed what."""

from decimal import Decimal

import pytest
from django.urls import reverse
from django_otp.oath import totp
from django_otp.plugins.otp_totp.models import TOTPDevice

from catalog.models import Product
from catalog.tests.factories import ProductFactory
from flashsale.tests.support.admin import admin_url, decide

SIGN_IN = "/admin/login/"


@pytest.fixture
def ann(django_user_model, db, settings):
    settings.LOGINS_PER_MINUTE = settings.LOGINS_PER_MINUTE_OVERALL = 0
    return django_user_model.objects.create_user("ann", password="secret-1", is_staff=True)


def sign_in(client, password: str, *, address: str = "192.0.2.1"):
    return client.post(f"{SIGN_IN}?next=/admin/", {"username": "ann", "password": password}, REMOTE_ADDR=address)


def test_the_right_password_signs_in(client, ann):
    assert sign_in(client, "secret-1").status_code == 302


def test_too_many_wrong_passwords_lock_the_name_where_they_came_from(client, ann, settings):
    answers = [sign_in(client, "wrong").status_code for _ in range(settings.LOGIN_MAX_FAILURES)]

    locked = sign_in(client, "secret-1")

    assert answers == [200] * (settings.LOGIN_MAX_FAILURES - 1) + [429]
    assert locked.status_code == 429
    assert "Too many wrong passwords" in locked.content.decode()
    assert sign_in(client, "secret-1", address="192.0.2.2").status_code == 302


def test_a_right_password_forgets_the_wrong_ones(client, ann, settings):
    for _ in range(2):
        for _ in range(settings.LOGIN_MAX_FAILURES - 1):
            sign_in(client, "wrong")
        assert sign_in(client, "secret-1").status_code == 302


@pytest.fixture
def device(ann) -> TOTPDevice:
    """The authenticator app of somebody who set one up."""
    return TOTPDevice.objects.create(user=ann, name="phone", confirmed=True)


def code_of(device: TOTPDevice) -> str:
    return f"{totp(device.bin_key):06d}"


def sign_in_with(client, code: str):
    fields = {"username": "ann", "password": "secret-1", "otp_token": code}
    return client.post(f"{SIGN_IN}?next=/admin/", fields, REMOTE_ADDR="192.0.2.1")


def test_who_has_an_authenticator_app_needs_its_code_as_well(client, device):
    without = sign_in(client, "secret-1")
    wrong = sign_in_with(client, f"{(int(code_of(device)) + 1) % 1_000_000:06d}")
    device.refresh_from_db()
    device.throttle_reset()

    assert "Enter the code that your authenticator app shows now." in without.content.decode()
    assert "This code is wrong or was used before." in wrong.content.decode()
    assert "_auth_user_id" not in client.session
    assert sign_in_with(client, code_of(device)).status_code == 302


def test_a_code_counts_once(client, device):
    code = code_of(device)
    first = sign_in_with(client, code)
    client.logout()

    assert (first.status_code, sign_in_with(client, code).status_code) == (302, 200)


def test_an_app_of_somebody_else_helps_nobody(client, ann, django_user_model):
    TOTPDevice.objects.create(user=ann, name="phone", confirmed=True)
    other = TOTPDevice.objects.create(user=django_user_model.objects.create_user("bob"), name="phone", confirmed=True)

    assert sign_in_with(client, code_of(other)).status_code == 200


def test_without_a_password_no_code_helps(client, device):
    fields = {"username": "ann", "password": "wrong", "otp_token": code_of(device)}

    answer = client.post(f"{SIGN_IN}?next=/admin/", fields, REMOTE_ADDR="192.0.2.1")

    assert answer.status_code == 200
    assert "authenticator app shows now" not in answer.content.decode()


def test_an_administrator_sees_the_picture_to_scan(admin_client, device):
    picture = admin_client.get(reverse("admin:otp_totp_totpdevice_qrcode", args=[device.pk]))

    assert (picture.status_code, picture.headers["Content-Type"]) == (200, "image/svg+xml")


@pytest.mark.django_db(transaction=True)
def test_a_change_in_the_admin_says_who_when_before_and_after(admin_client, admin_user):
    product = ProductFactory(name="Widget", price=Decimal("10.00"))
    fields = {"name": "Better widget", "price": "12.00", "currency": "USD", "max_per_hold": 5}

    admin_client.post(admin_url(Product, "change", product.pk), fields)
    decide(admin_client, product, "pause", note="Ticket 17")
    page = admin_client.get(admin_url(Product, "change", product.pk)).content.decode()

    assert f"{admin_user}: name Widget &rarr; Better widget, price 10.000 &rarr; 12.000" in page
    assert f"{admin_user}: paused_at - &rarr; " in page


@pytest.mark.django_db(transaction=True)
def test_a_change_past_the_admin_and_past_the_model_is_kept_too(admin_client):
    product = ProductFactory(max_per_hold=10)

    Product.objects.update(max_per_hold=3)

    page = admin_client.get(admin_url(Product, "change", product.pk)).content.decode()
    assert "(not in the admin): max_per_hold 10 &rarr; 3" in page


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, 1),
        ({"created_at_from_0": "2020-01-01"}, 1),
        ({"created_at_from_0": "2020-01-01", "created_at_to_0": "2020-01-02"}, 0),
        ({"created_at_to_0": "2020-01-02", "created_at_to_1": "12:00"}, 0),
        ({"created_at_from_0": "2999-01-01", "created_at_from_1": "12:00:00"}, 0),
        ({"created_at_from_0": "nonsense"}, 1),
        ({"created_at_from_0": "2020-99-99"}, 1),
    ],
)
def test_lists_are_filtered_by_time(admin_client, order, asked, found):
    page = admin_client.get(reverse("admin:checkout_order_changelist"), asked)

    assert len(page.context["cl"].result_list) == found

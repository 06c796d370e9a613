"""Where a log-in ends: at the page that was asked for, or else at the first page; never elsewhere, never at a 404."""

import re

import pytest
from django.contrib.auth import SESSION_KEY
from django.test import Client
from django.urls import reverse
from django_otp.oath import totp
from django_otp.plugins.otp_totp.models import TOTPDevice

INDEX, ORDERS = "/admin/", "/admin/checkout/order/?q=a%20b"
REFUSED = [
    "https://evil.example.com/", "//evil.example.com/", "/\\evil.example.com", "javascript:alert(1)", "http:///evil",
    "https://testserver.evil.example.com/", "ftp://testserver/", "http://[::1",
]  # fmt: skip
USELESS = ["", "/admin/login/", "/admin/login/?next=/admin/login/", "/admin/logout/", "http://testserver/admin/logout/"]


@pytest.fixture(autouse=True)
def ann(django_user_model, db, settings):
    settings.LOGINS_PER_MINUTE = settings.LOGINS_PER_MINUTE_OVERALL = 0
    return django_user_model.objects.create_superuser("ann", password="secret-1")


FIELDS = {"username": "ann", "password": "secret-1"}


def ends_at(client, answer) -> str:
    """The path of the page that a browser shows in the end."""
    assert answer.status_code == 302, answer.content
    page = client.get(answer.url, follow=True)
    assert page.status_code == 200
    return page.redirect_chain[-1][0] if page.redirect_chain else answer.url


@pytest.mark.parametrize("where", ["query", "form"])
@pytest.mark.parametrize(
    ("wanted", "end"), [(ORDERS, ORDERS), (INDEX, INDEX), *((url, INDEX) for url in REFUSED + USELESS)]
)
def test_a_log_in_ends_at_the_page_that_was_asked_for_or_the_first(client, where, wanted, end):
    query, fields = ({"next": wanted}, {}) if where == "query" else ({}, {"next": wanted})

    answer = client.post("/admin/login/", FIELDS | fields, query_params=query)

    assert ends_at(client, answer) == end


def test_a_log_in_that_was_called_directly_ends_at_the_first_page(client):
    page = client.get("/admin/login/")

    answer = client.post("/admin/login/", FIELDS)

    assert page.status_code == 200
    assert ends_at(client, answer) == INDEX


def test_a_code_entered_in_a_second_step_leads_to_the_requested_page(client, ann):
    device = TOTPDevice.objects.create(user=ann, name="phone", confirmed=True)
    url = f"{reverse('admin:login')}?next={ORDERS}"

    first = client.post(url, FIELDS)
    second = client.post(url, FIELDS | {"otp_token": f"{totp(device.bin_key):06d}"})

    assert first.status_code == 200
    assert SESSION_KEY not in first.wsgi_request.session
    assert ends_at(client, second) == ORDERS


def test_a_logged_in_user_is_redirected_to_the_first_page(admin_client):
    answer = admin_client.get("/admin/login/", query_params={"next": "https://evil.example.com/"})

    assert (answer.status_code, answer.url) == (302, INDEX)


def test_a_user_who_is_not_staff_gets_a_message_and_no_redirect_loop(client, django_user_model):
    django_user_model.objects.create_user("buyer", password="secret-2")

    answer = client.post("/admin/login/", {"username": "buyer", "password": "secret-2"})

    assert answer.status_code == 200
    assert SESSION_KEY not in client.session
    client.force_login(django_user_model.objects.get(username="buyer"))
    assert client.get(INDEX).status_code == 302
    assert client.get("/admin/login/").status_code == 200


@pytest.mark.parametrize("wanted", [*REFUSED, ""])
def test_logging_out_ends_at_a_page_of_our_own(admin_client, wanted):
    answer = admin_client.post("/admin/logout/", {"next": wanted}, follow=True)

    assert answer.status_code == 200
    assert all(url.startswith("/admin/") for url, _ in answer.redirect_chain)
    assert Client().get(INDEX).status_code == 302


def test_a_link_to_the_log_out_leads_to_the_first_page_and_keeps_the_session(admin_client):
    answer = admin_client.get("/admin/logout/", follow=True)

    assert answer.redirect_chain == [(INDEX, 302)]
    assert SESSION_KEY in admin_client.session


def test_logging_out_ends_at_the_log_in_which_says_so(admin_client):
    answer = admin_client.post("/admin/logout/", follow=True)

    assert answer.redirect_chain == [("/admin/login/", 302)]
    assert "You are logged out." in answer.content.decode()


def test_a_changed_password_ends_at_a_page_of_the_admin(client, ann):
    client.force_login(ann)
    fields = {"old_password": "secret-1", "new_password1": "correct-horse-9", "new_password2": "correct-horse-9"}

    answer = client.post("/admin/password_change/", fields, follow=True)

    assert answer.status_code == 200
    assert answer.redirect_chain == [("/admin/password_change/done/", 302)]


@pytest.mark.parametrize("path", ["/admin/two-factor/", "/admin/password_change/", "/admin/search/?s=abc"])
def test_a_page_of_one_s_own_account_needs_a_log_in_and_comes_back(client, path):
    asked = client.get(path)

    assert asked.status_code == 302
    assert ends_at(client, client.post(asked.url, FIELDS)) == path


@pytest.mark.parametrize("access", ["public", "token"])
def test_the_log_in_leads_to_no_page_that_needs_a_token(client, settings, access):
    settings.API_ACCESS = access

    page = client.get("/admin/login/").content.decode()

    links = re.findall(r'<a [^>]*href="([^"]*)"', page)
    assert [url for url in links if client.get(url, follow=True).status_code >= 400] == []
    assert "Return to site" not in page


def test_pages_say_log_in_and_never_sign_in(client):
    pages = [client.get("/admin/login/"), client.post("/admin/login/", FIELDS | {"password": "wrong"})]

    assert all("Log in" in page.content.decode() for page in pages)
    assert all("sign in" not in page.content.decode().lower() for page in pages)

"""API tokens in the admin: scopes with their meaning, an end, the token shown once, revoked for good."""

import re
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.utils import timezone
from rest_framework_api_key.models import APIKey

from flashsale.core.rest import scopes
from flashsale.models import Token
from flashsale.tests.support.admin import admin_url
from flashsale.tests.support.browser import DESKTOP, PHONE, assert_fits, log_in_as, open_page

KEY = re.compile(r'id="new-token"[^>]*value="([A-Za-z0-9]{8}\.[A-Za-z0-9]{32})"')
ADD, LIST = admin_url(APIKey, "add"), admin_url(APIKey, "changelist")


@pytest.fixture
def manager(roles, client, django_user_model):
    """A client that a manager is logged in with."""
    person = django_user_model.objects.create_user("maria", is_staff=True)
    person.groups.add(Group.objects.get(name="manager"))
    client.force_login(person)
    return client


def in_an_hour() -> dict[str, str]:
    """Return the fields of an end that lies in the future."""
    end = timezone.now() + timedelta(hours=1)
    return {"expiry_date_0": f"{end:%Y-%m-%d}", "expiry_date_1": f"{end:%H:%M:%S}"}


def test_a_manager_makes_a_token_and_sees_it_once(manager):
    fields = {"name": "ERP", "scopes": ["storefront", "payments:claim"]} | in_an_hour()

    page = manager.post(ADD, fields).content.decode()
    token = Token.objects.get()
    pages = [manager.get(url).content.decode() for url in (LIST, admin_url(APIKey, "change", token.pk))]

    key = KEY.search(page)[1]
    assert APIKey.objects.is_valid(key)
    assert token.scopes == {"storefront", "payments:claim"}
    assert token.expiry_date is not None
    assert key not in "".join(pages)
    assert "sessionid" not in page
    assert all(key not in str(cookie) for cookie in manager.cookies.values())
    assert LogEntry.objects.get().get_change_message() == "Added."


def test_the_form_explains_the_scopes(manager):
    page = manager.get(ADD).content.decode()

    for name, meaning in scopes.MEANINGS.items():
        assert f"{name}: {meaning}" in page
    assert "revoked" not in page


def test_an_end_in_the_past_is_refused(manager):
    page = manager.post(ADD, {"name": "ERP", "expiry_date_0": "2020-01-01", "expiry_date_1": "00:00:00"})

    assert "The end lies in the past" in page.content.decode()
    assert not APIKey.objects.exists()


def test_a_token_that_expired_can_still_be_revoked(manager):
    token, _ = APIKey.objects.create_key(name="ERP", expiry_date=timezone.now() - timedelta(days=1))
    end = {"expiry_date_0": f"{token.expiry_date:%Y-%m-%d}", "expiry_date_1": f"{token.expiry_date:%H:%M:%S}"}

    manager.post(admin_url(APIKey, "change", token.pk), {"name": "ERP", "scopes": "storefront", "revoked": "on"} | end)

    assert APIKey.objects.get().revoked


def test_the_list_has_scopes_the_end_and_the_state(manager):
    APIKey.objects.create_key(name="shop")
    APIKey.objects.create_key(name="old", expiry_date=timezone.now() - timedelta(days=1))
    APIKey.objects.create_key(name="lost", revoked=True)

    page = manager.get(LIST).content.decode()

    cells = [text.strip() for text in re.findall(r">([^<>]+)<", page)]
    assert [cells.count(state) for state in ("Active", "Expired", "Revoked")] == [1, 1, 1]
    assert cells.count("Never") == 2
    assert cells.count("storefront") == 3


def test_a_revoked_token_is_revoked_for_good(manager):
    token, _ = APIKey.objects.create_key(name="lost", revoked=True)

    manager.post(admin_url(APIKey, "change", token.pk), {"name": "lost", "scopes": "storefront"})

    assert APIKey.objects.get().revoked


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_token_is_copied_by_a_button(live_server, transactional_db, admin_user, viewport):
    with open_page(live_server.url, viewport=viewport) as page:
        log_in_as(page, admin_user)
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.goto(ADD)
        page.fill("input[name=name]", "ERP")
        page.click("button[name=_save]")
        page.click("button[data-copies]")
        page.wait_for_selector("text=Copied.")
        copied = page.evaluate("navigator.clipboard.readText()")
        assert_fits(page)

    assert APIKey.objects.is_valid(copied)

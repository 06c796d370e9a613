"""Limits of log-ins a minute: unknown browsers share one, known browsers have their own."""

import pytest
from django.conf import settings as configured
from django.db import connection
from django.test import Client

from flashsale.core import redis_client
from flashsale.models import LoginFailure
from flashsale.staff.logins import known_browsers, limits
from flashsale.tests.support.logins import LOGIN, log_in, log_out, new_address
from flashsale.tests.support.processes import free_port
from flashsale.tests.support.racing import other_connection


def test_log_ins_of_an_address_are_limited_per_minute(client, ann, settings, address):
    settings.LOGINS_PER_MINUTE = 3

    answers = [log_in(client, "wrong", name=f"name-{number}", address=address) for number in range(5)]

    assert [answer.status_code for answer in answers] == [200] * 3 + [429] * 2
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60
    assert "Too many log-ins" in answers[-1].content.decode()
    assert LoginFailure.objects.count() == 3
    assert log_in(client, address=new_address()).status_code == 302


@pytest.fixture
def flooded(settings, monkeypatch, address):
    """A minute in which unknown browsers of many addresses have used up their common quota."""
    settings.LOGINS_PER_MINUTE_OVERALL = 1
    monkeypatch.setattr(limits, "UNKNOWN_BROWSERS", address)
    log_in(Client(), "wrong", name="nobody", address=new_address())


def test_unknown_browsers_of_all_addresses_share_a_quota(client, ann, flooded):
    assert log_in(client, address=new_address()).status_code == 429


def test_addresses_that_repeat_leave_quota_to_new_addresses(client, ann, settings, address, monkeypatch):
    settings.LOGINS_PER_MINUTE_OVERALL = 2 * limits.FIRST_LOGINS + 1
    monkeypatch.setattr(limits, "UNKNOWN_BROWSERS", address)

    flood = [
        log_in(client, "wrong", name=f"name-{number}", address=from_).status_code
        for from_ in (new_address(), new_address())
        for number in range(6)
    ]

    assert flood == [200] * 6 + [200] * 3 + [429] * 3
    assert log_in(client, address=new_address()).status_code == 302


def test_a_known_browser_passes_a_flood_and_a_lock_of_the_address(client, ann, settings, address, request):
    log_in(client, address=address)
    log_out(client)
    request.getfixturevalue("flooded")
    for _ in range(configured.LOGIN_MAX_FAILURES + 1):
        log_in(Client(), "wrong", address=new_address())
    LoginFailure.objects.create(name="ann", source=f"address {address}", failures=99, last_at="2999-01-01T00:00Z")

    stranger, known = log_in(Client(), address=address), log_in(client, address=address)

    assert (stranger.status_code, known.status_code) == (429, 302)


def test_a_known_browser_is_locked_by_its_own_wrong_passwords(client, ann, no_rate, address):
    log_in(client, address=address)
    log_out(client)

    answers = [log_in(client, "wrong", address=address) for _ in range(configured.LOGIN_MAX_FAILURES)]

    assert [answer.status_code for answer in answers] == [200] * (configured.LOGIN_MAX_FAILURES - 1) + [429]
    assert log_in(client, address=address).status_code == 429
    assert log_in(Client(), address=address).status_code == 302


@pytest.mark.parametrize("cookie", ["", "nonsense", "a:b:c", "WyJ4IiwieSJd:1:2", "\x00"])
def test_a_forged_cookie_counts_as_an_unknown_browser(client, ann, flooded, cookie):
    client.cookies[known_browsers.COOKIE] = cookie

    assert log_in(client, address=new_address()).status_code == 429


def test_a_cookie_of_another_name_counts_for_the_address(client, ann, no_rate, address, django_user_model):
    django_user_model.objects.create_user("bob", password="secret-2", is_staff=True)
    log_in(client, address=address)

    log_in(client, "wrong", name="bob", address=address)

    assert LoginFailure.objects.get().source == f"address {address}"


def test_the_cookie_hides_the_name_and_is_sent_to_the_log_in_only(client, ann, no_rate, address, settings):
    settings.SESSION_COOKIE_SECURE = True

    cookie = log_in(client, address=address).cookies[known_browsers.COOKIE]

    assert "ann" not in cookie.value
    assert (cookie["path"], cookie["httponly"], cookie["secure"], cookie["samesite"]) == (LOGIN, True, True, "Lax")


def test_without_redis_each_process_counts_for_itself(client, ann, settings, address, monkeypatch):
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
    settings.LOGINS_PER_MINUTE = 2
    monkeypatch.setattr(
        limits, "_breaker", redis_client.CircuitBreaker(fallback="log-ins are limited in each process alone")
    )

    answers = [log_in(client, "wrong", name=f"name-{number}", address=address).status_code for number in range(3)]

    assert answers == [200, 200, 429]


@pytest.mark.django_db(transaction=True)
def test_a_database_that_does_not_answer_is_a_page_with_503(ann, no_rate, address, monkeypatch):
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '50ms'")
    LoginFailure.objects.create(name="ann", source=f"address {address}", failures=1, last_at="2026-01-01T00:00Z")
    with other_connection() as other:
        other.execute("SELECT 1 FROM flashsale_loginfailure FOR UPDATE")

        answer = log_in(Client(), address=address)

    connection.close()
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")

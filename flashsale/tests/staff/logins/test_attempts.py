"""Every guess is counted, and a name is locked for the source of its failures only."""

import pytest
from django.conf import settings as configured
from django.test import Client
from django.urls import reverse
from django_otp.plugins.otp_totp.models import TOTPDevice

from flashsale.core.capacity.bulkheads import Bulkhead
from flashsale.models import LoginFailure
from flashsale.staff.logins import attempts, passwords
from flashsale.tests.support.logins import LOGIN, SlowHashing, log_in, new_address
from flashsale.tests.support.racing import Meeting, at_once, times


@pytest.mark.django_db(transaction=True)
def test_of_thirty_parallel_guesses_each_is_counted_and_few_are_compared(ann, no_rate, address, monkeypatch):
    hashing = SlowHashing(monkeypatch, finish=True)

    answers = at_once(*times(30, lambda: log_in(Client(), "wrong", address=address)))

    assert {answer.status_code for answer in answers} <= {200, 429}
    assert len(hashing.connections) == configured.LOGIN_MAX_FAILURES
    assert LoginFailure.objects.get().failures == 30
    assert log_in(Client(), address=address).status_code == 429


def _count_in_two_steps(meeting: Meeting):
    """A control for `attempts._count`: reads and writes in two statements."""

    def count(name: str, source: str) -> tuple[int, float]:
        row, _ = LoginFailure.objects.get_or_create(
            name=name, source=source, defaults={"failures": 0, "last_at": "2026-01-01T00:00Z"}
        )
        meeting.wait()
        LoginFailure.objects.filter(pk=row.pk).update(failures=row.failures + 1)
        return row.failures + 1, 900.0

    return count


@pytest.mark.django_db(transaction=True)
def test_control_counting_in_two_steps_loses_guesses(ann, no_rate, address, monkeypatch):
    monkeypatch.setattr(attempts, "_count", _count_in_two_steps(Meeting(10)))
    hashing = SlowHashing(monkeypatch, finish=True)
    unbounded = Bulkhead(lambda: 1_000)
    monkeypatch.setattr(passwords, "_bulkheads", {passwords.UNKNOWN_BROWSERS: unbounded, passwords.STAFF: unbounded})

    at_once(*times(10, lambda: log_in(Client(), "wrong", address=address)))

    assert len(hashing.connections) > configured.LOGIN_MAX_FAILURES
    assert LoginFailure.objects.get().failures < 10


def test_attempts_while_a_name_is_locked_do_not_prolong_the_lock_and_add_no_rows(client, ann, no_rate, address):
    for _ in range(configured.LOGIN_MAX_FAILURES):
        log_in(client, "wrong", address=address)
    locked_at = LoginFailure.objects.get().last_at

    answers = [log_in(client, "wrong", address=address) for _ in range(5)]

    assert {answer.status_code for answer in answers} == {429}
    assert all(1 <= int(answer.headers["Retry-After"]) <= 900 for answer in answers)
    assert LoginFailure.objects.get().last_at == locked_at


def test_a_lock_expires(client, ann, no_rate, address):
    for _ in range(configured.LOGIN_MAX_FAILURES + 3):
        log_in(client, "wrong", address=address)
    LoginFailure.objects.update(last_at="2026-01-01T00:00Z")

    wrong = log_in(client, "wrong", address=address)

    assert wrong.status_code == 200
    assert LoginFailure.objects.get().failures == 1
    assert log_in(client, address=address).status_code == 302
    assert not LoginFailure.objects.exists()


def test_a_lock_concerns_one_name_and_one_address(client, ann, no_rate, address):
    for _ in range(configured.LOGIN_MAX_FAILURES):
        log_in(client, "wrong", address=address)

    assert log_in(client, address=address).status_code == 429
    assert log_in(client, "wrong", name="bob", address=address).status_code == 200
    assert log_in(client, address=new_address()).status_code == 302


def test_wrong_codes_count_as_failures(client, ann, no_rate, address):
    TOTPDevice.objects.create(user=ann, name="phone", confirmed=True)

    answers = [log_in(client, address=address, otp_token="123456") for _ in range(configured.LOGIN_MAX_FAILURES)]

    assert [answer.status_code for answer in answers] == [200] * (configured.LOGIN_MAX_FAILURES - 1) + [429]


def test_wrong_old_passwords_count_as_failures(client, ann, no_rate):
    client.force_login(ann)
    fields = {"old_password": "wrong", "new_password1": "a-new-secret", "new_password2": "a-new-secret"}

    answers = [client.post(reverse("admin:password_change"), fields) for _ in range(configured.LOGIN_MAX_FAILURES)]
    right = client.post(reverse("admin:password_change"), fields | {"old_password": "secret-1"})

    assert [answer.status_code for answer in answers] == [200] * (configured.LOGIN_MAX_FAILURES - 1) + [429]
    assert right.status_code == 429
    ann.refresh_from_db()
    assert ann.check_password("secret-1")


def test_staff_change_their_own_password(client, ann, no_rate):
    client.force_login(ann)
    fields = {"old_password": "secret-1", "new_password1": "a-new-secret", "new_password2": "a-new-secret"}

    page = client.get(reverse("admin:password_change"))
    answer = client.post(reverse("admin:password_change"), fields)

    assert (page.status_code, answer.status_code) == (200, 302)
    ann.refresh_from_db()
    assert ann.check_password("a-new-secret")


@pytest.mark.parametrize(
    "fields",
    [
        {"username": "a" * 256},
        {"username": "a" * 151},
        {"username": "a" * 200_000},
        {"username": "a\x00nn"},
        {"username": ""},
        {"password": "x" * 100_000},
        {"password": "\x00"},
        {"otp_token": "1" * 100_000},
        {"otp_token": "\x00"},
    ],
    ids=lambda fields: next(f"{name}-{len(value)}" for name, value in fields.items()),
)
def test_input_of_any_length_gets_the_form_again_and_is_not_hashed(client, ann, no_rate, address, fields, monkeypatch):
    hashing = SlowHashing(monkeypatch, finish=True)

    answer = client.post(LOGIN, {"username": "ann", "password": "secret-1"} | fields, REMOTE_ADDR=address)

    assert answer.status_code == 200
    assert hashing.connections == []
    assert not LoginFailure.objects.exists()


@pytest.mark.parametrize("name", ["a" * 150, "ä€𝄞", "' OR 1=1 --", "ANN", "%s"])
def test_an_odd_user_name_is_a_wrong_one(client, ann, no_rate, address, name):
    assert log_in(client, name=name, address=address).status_code == 200

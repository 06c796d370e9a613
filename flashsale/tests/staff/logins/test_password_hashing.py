"""Hashing a password is bounded and holds no database connection."""

import itertools
import threading

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher, get_hashers
from django.test import Client
from django.urls import reverse

from flashsale.models import LoginFailure
from flashsale.staff.logins import passwords
from flashsale.tests.support.logins import SlowHashing, log_in
from flashsale.tests.support.processes import WAIT_SECONDS
from flashsale.tests.support.racing import at_once, times


def test_every_way_to_hash_a_password_is_bounded():
    assert {type(hasher) for hasher in get_hashers()} == {passwords.BoundedPasswordHasher}


@pytest.mark.django_db(transaction=True)
def test_no_connection_is_held_while_a_password_is_hashed(ann, no_rate, address, monkeypatch):
    hashing = SlowHashing(monkeypatch, finish=True)
    client = Client()

    log_in(client, "wrong", address=address)
    log_in(client, "wrong", name="nobody", address=address)
    client.force_login(ann)
    fields = {"old_password": "wrong", "new_password1": "a-new-secret", "new_password2": "a-new-secret"}
    client.post(reverse("admin:password_change"), fields)

    assert hashing.connections == [None] * 3


@pytest.mark.django_db(transaction=True)
def test_log_ins_over_the_bulkheads_limit_are_refused_at_once_and_not_counted(no_rate, address, monkeypatch):
    hashing = SlowHashing(monkeypatch)
    most = passwords.HASHES_AT_ONCE + passwords.HASHES_WAITING
    names = (f"name-{number}" for number in itertools.count())
    answers: list = []
    mutex = threading.Lock()

    def guess() -> None:
        answer = log_in(Client(), "wrong", name=next(names), address=address)
        with mutex:
            answers.append(answer)
            if len(answers) == 30 - most:
                hashing.finish.set()

    results = at_once(*times(30, guess))

    assert results == [None] * 30
    statuses = [answer.status_code for answer in answers]
    assert statuses[: 30 - most] == [429] * (30 - most)
    assert statuses[30 - most :] == [200] * most
    assert {answer.headers.get("Retry-After") for answer in answers} == {"2", None}
    assert LoginFailure.objects.filter(failures__gt=0).count() == most


def test_log_ins_from_unknown_browsers_do_not_delay_hashes_of_staff(monkeypatch):
    hashing = SlowHashing(monkeypatch)
    hasher = passwords.BoundedPasswordHasher()

    def unknown_browser() -> None:
        with passwords.hashing_for(passwords.UNKNOWN_BROWSERS):
            hasher.encode("wrong", "salt")

    thread = threading.Thread(target=unknown_browser, daemon=True)
    thread.start()
    hashing.begun.acquire(timeout=WAIT_SECONDS)
    staff = threading.Thread(target=lambda: hasher.encode("secret-1", "salt"), daemon=True)
    staff.start()

    assert hashing.begun.acquire(timeout=WAIT_SECONDS)
    hashing.finish.set()
    thread.join(WAIT_SECONDS)
    staff.join(WAIT_SECONDS)


def test_a_password_is_stored_as_django_stores_it(ann):
    assert ann.password.startswith("pbkdf2_sha256$")
    assert PBKDF2PasswordHasher().verify("secret-1", ann.password)

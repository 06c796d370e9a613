"""Log-ins under attack: every guess is counted, no page is a server error, and strangers keep nobody out."""

import itertools
import threading

import pytest
from django.conf import settings as configured
from django.contrib.admin.models import LogEntry
from django.contrib.auth.hashers import PBKDF2PasswordHasher, get_hashers
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.urls import reverse
from django_otp.plugins.otp_totp.models import TOTPDevice

from flashsale.core import redis_client
from flashsale.core.capacity.bulkheads import Bulkhead
from flashsale.models import LoginFailure
from flashsale.staff.logins import attempts, known_browsers, limits, passwords
from flashsale.tests.support.processes import WAIT_SECONDS, free_port
from flashsale.tests.support.racing import Meeting, at_once, other_connection, times

LOGIN = "/admin/login/"
# Each test's log-ins come from an address of their own, so that no quota is shared.
_addresses = (f"198.18.{high}.{low}" for high, low in itertools.product(range(256), range(1, 255)))


@pytest.fixture
def address() -> str:
    return next(_addresses)


@pytest.fixture(autouse=True)
def _quick_hashes(monkeypatch):
    monkeypatch.setattr(passwords.BoundedPasswordHasher, "iterations", 1)


@pytest.fixture
def no_rate(settings):
    settings.LOGINS_PER_MINUTE = settings.LOGINS_PER_MINUTE_OVERALL = 0


@pytest.fixture
def ann(django_user_model, db):
    return django_user_model.objects.create_user("ann", password="secret-1", is_staff=True)


def log_in(client, password: str = "secret-1", *, name: str = "ann", address: str, **fields):
    form = {"username": name, "password": password} | fields
    return client.post(LOGIN, form, REMOTE_ADDR=address)


def log_out(client) -> None:
    """As a browser does; the test client's own forgets all cookies."""
    client.post(reverse("admin:logout"))


class SlowHashing:
    """Replaces the hash itself: counts, notes what each one holds, and lasts until `finish` is set."""

    def __init__(self, monkeypatch, *, finish: bool = False) -> None:
        self.connections: list[object] = []
        self.begun = threading.Semaphore(0)
        self.finish = threading.Event()
        if finish:
            self.finish.set()
        monkeypatch.setattr(PBKDF2PasswordHasher, "encode", self._encode)

    def _encode(self, password, salt, iterations=None) -> str:
        self.connections.append(connection.connection)
        self.begun.release()
        assert self.finish.wait(WAIT_SECONDS)
        return f"pbkdf2_sha256$1${salt}${password}"


# --- hashing ---------------------------------------------------------------------------------------------------------


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
def test_more_log_ins_than_places_hear_so_at_once_and_are_not_counted(no_rate, address, monkeypatch):
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


def test_log_ins_of_strangers_take_no_place_from_staff(monkeypatch):
    hashing = SlowHashing(monkeypatch)
    hasher = passwords.BoundedPasswordHasher()

    def stranger() -> None:
        with passwords.hashing_for(passwords.UNKNOWN_BROWSERS):
            hasher.encode("wrong", "salt")

    thread = threading.Thread(target=stranger, daemon=True)
    thread.start()
    hashing.begun.acquire(timeout=WAIT_SECONDS)
    staff = threading.Thread(target=lambda: hasher.encode("secret-1", "salt"), daemon=True)
    staff.start()

    assert hashing.begun.acquire(timeout=WAIT_SECONDS)
    hashing.finish.set()
    thread.join(WAIT_SECONDS)
    staff.join(WAIT_SECONDS)


def test_a_stored_password_keeps_its_form(ann):
    assert ann.password.startswith("pbkdf2_sha256$")
    assert PBKDF2PasswordHasher().verify("secret-1", ann.password)


# --- counting --------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_of_thirty_parallel_guesses_each_is_counted_and_few_are_looked_at(ann, no_rate, address, monkeypatch):
    hashing = SlowHashing(monkeypatch, finish=True)

    answers = at_once(*times(30, lambda: log_in(Client(), "wrong", address=address)))

    assert {answer.status_code for answer in answers} <= {200, 429}
    assert len(hashing.connections) == configured.LOGIN_MAX_FAILURES
    assert LoginFailure.objects.get().failures == 30
    assert log_in(Client(), address=address).status_code == 429


def _read_then_write(meeting: Meeting):
    """What the counting statement does, in two: look first, write what follows from it."""

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
    monkeypatch.setattr(attempts, "_count", _read_then_write(Meeting(10)))
    hashing = SlowHashing(monkeypatch, finish=True)
    unbounded = Bulkhead(lambda: 1_000)
    monkeypatch.setattr(passwords, "_bulkheads", {passwords.UNKNOWN_BROWSERS: unbounded, passwords.STAFF: unbounded})

    at_once(*times(10, lambda: log_in(Client(), "wrong", address=address)))

    assert len(hashing.connections) > configured.LOGIN_MAX_FAILURES
    assert LoginFailure.objects.get().failures < 10


def test_what_is_tried_while_a_name_is_locked_does_not_prolong_the_lock_and_makes_no_rows(
    client, ann, no_rate, address
):
    for _ in range(configured.LOGIN_MAX_FAILURES):
        log_in(client, "wrong", address=address)
    locked_at = LoginFailure.objects.get().last_at

    answers = [log_in(client, "wrong", address=address) for _ in range(5)]

    assert {answer.status_code for answer in answers} == {429}
    assert all(1 <= int(answer.headers["Retry-After"]) <= 900 for answer in answers)
    assert LoginFailure.objects.get().last_at == locked_at


def test_a_lock_ends_by_itself(client, ann, no_rate, address):
    for _ in range(configured.LOGIN_MAX_FAILURES + 3):
        log_in(client, "wrong", address=address)
    LoginFailure.objects.update(last_at="2026-01-01T00:00Z")

    wrong = log_in(client, "wrong", address=address)

    assert wrong.status_code == 200
    assert LoginFailure.objects.get().failures == 1
    assert log_in(client, address=address).status_code == 302
    assert not LoginFailure.objects.exists()


def test_a_lock_is_of_one_name_and_one_address(client, ann, no_rate, address):
    for _ in range(configured.LOGIN_MAX_FAILURES):
        log_in(client, "wrong", address=address)

    assert log_in(client, address=address).status_code == 429
    assert log_in(client, "wrong", name="bob", address=address).status_code == 200
    assert log_in(client, address=next(_addresses)).status_code == 302


def test_wrong_codes_count_as_well(client, ann, no_rate, address):
    TOTPDevice.objects.create(user=ann, name="phone", confirmed=True)

    answers = [log_in(client, address=address, otp_token="123456") for _ in range(configured.LOGIN_MAX_FAILURES)]

    assert [answer.status_code for answer in answers] == [200] * (configured.LOGIN_MAX_FAILURES - 1) + [429]


def test_guesses_of_the_old_password_count_as_well(client, ann, no_rate):
    client.force_login(ann)
    fields = {"old_password": "wrong", "new_password1": "a-new-secret", "new_password2": "a-new-secret"}

    answers = [client.post(reverse("admin:password_change"), fields) for _ in range(configured.LOGIN_MAX_FAILURES)]
    right = client.post(reverse("admin:password_change"), fields | {"old_password": "secret-1"})

    assert [answer.status_code for answer in answers] == [200] * (configured.LOGIN_MAX_FAILURES - 1) + [429]
    assert right.status_code == 429
    ann.refresh_from_db()
    assert ann.check_password("secret-1")


def test_one_changes_ones_own_password(client, ann, no_rate):
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
def test_any_other_name_is_just_wrong(client, ann, no_rate, address, name):
    assert log_in(client, name=name, address=address).status_code == 200


# --- how often --------------------------------------------------------------------------------------------------------


def test_an_address_may_try_so_often_a_minute(client, ann, settings, address):
    settings.LOGINS_PER_MINUTE = 3

    answers = [log_in(client, "wrong", name=f"name-{number}", address=address) for number in range(5)]

    assert [answer.status_code for answer in answers] == [200] * 3 + [429] * 2
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60
    assert "Too many log-ins" in answers[-1].content.decode()
    assert LoginFailure.objects.count() == 3
    assert log_in(client, address=next(_addresses)).status_code == 302


@pytest.fixture
def flooded(settings, monkeypatch, address):
    """A minute in which strangers from everywhere used up what all of them together may try."""
    settings.LOGINS_PER_MINUTE_OVERALL = 1
    monkeypatch.setattr(limits, "UNKNOWN_BROWSERS", address)
    log_in(Client(), "wrong", name="nobody", address=next(_addresses))


def test_strangers_of_all_addresses_share_a_quota(client, ann, flooded):
    assert log_in(client, address=next(_addresses)).status_code == 429


def test_addresses_that_try_again_and_again_take_nothing_from_those_that_begin(
    client, ann, settings, address, monkeypatch
):
    settings.LOGINS_PER_MINUTE_OVERALL = 2 * limits.FIRST_LOGINS + 1
    monkeypatch.setattr(limits, "UNKNOWN_BROWSERS", address)

    flood = [
        log_in(client, "wrong", name=f"name-{number}", address=from_).status_code
        for from_ in (next(_addresses), next(_addresses))
        for number in range(6)
    ]

    assert flood == [200] * 6 + [200] * 3 + [429] * 3
    assert log_in(client, address=next(_addresses)).status_code == 302


def test_who_logged_in_from_a_browser_before_passes_a_flood_and_a_lock_of_the_address(
    client, ann, settings, address, request
):
    log_in(client, address=address)
    log_out(client)
    request.getfixturevalue("flooded")
    for _ in range(configured.LOGIN_MAX_FAILURES + 1):
        log_in(Client(), "wrong", address=next(_addresses))
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
def test_a_forged_cookie_is_a_strangers(client, ann, flooded, cookie):
    client.cookies[known_browsers.COOKIE] = cookie

    assert log_in(client, address=next(_addresses)).status_code == 429


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


def test_without_redis_each_process_counts_alone(client, ann, settings, address, monkeypatch):
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
    settings.LOGINS_PER_MINUTE = 2
    monkeypatch.setattr(
        limits, "_breaker", redis_client.CircuitBreaker(fallback="log-ins are limited in each process alone")
    )

    answers = [log_in(client, "wrong", name=f"name-{number}", address=address).status_code for number in range(3)]

    assert answers == [200, 200, 429]


@pytest.mark.django_db(transaction=True)
def test_a_database_that_does_not_answer_is_a_page_that_says_so(ann, no_rate, address, monkeypatch):
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '50ms'")
    LoginFailure.objects.create(name="ann", source=f"address {address}", failures=1, last_at="2026-01-01T00:00Z")
    with other_connection() as other:
        other.execute("SELECT 1 FROM flashsale_loginfailure FOR UPDATE")

        answer = log_in(Client(), address=address)

    connection.close()
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")


# --- locked, and unlocked --------------------------------------------------------------------------------------------


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
    assert f"ann may log in again from address {locked}." in told
    assert log_in(client, address=locked).status_code == 302
    assert LogEntry.objects.get().get_change_message() == f"Unlocked ann from address {locked}"


def test_who_may_not_unlock_does_not(client, locked, django_user_model):
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
def test_rows_that_lock_nothing_any_more_are_purged():
    for name, last_at in (("old", "2026-01-01T00:00Z"), ("new", "2999-01-01T00:00Z")):
        LoginFailure.objects.create(name=name, source="address 192.0.2.1", failures=9, last_at=last_at)

    purged = attempts.purge()

    assert purged == 1
    assert LoginFailure.objects.get().name == "new"

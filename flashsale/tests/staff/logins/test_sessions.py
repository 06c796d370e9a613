"""How long staff stay logged in, and the purge of expired sessions."""

from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings as configured
from django.contrib.sessions.models import Session
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django_celery_beat.models import PeriodicTask

from flashsale import tasks
from flashsale.models import LoginFailure
from flashsale.staff.logins import sessions

INDEX, LIVE = "/admin/", "/admin/live/"
MINUTE, HOUR = 60, 3600


@pytest.fixture
def clock(monkeypatch):
    """Moves the clock of the sessions: `clock(60)` is a minute later."""
    now = [sessions.time.time()]

    class Time:
        @staticmethod
        def time() -> float:
            return now[0]

    def move(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr(sessions, "time", Time)
    return move


@pytest.fixture
def staff(client, clock, admin_user):
    client.force_login(admin_user)
    return client


def is_in(client, path: str = INDEX) -> bool:
    return client.get(path).status_code == 200


def test_an_idle_session_ends(staff, clock):
    clock(configured.STAFF_IDLE_MINUTES * MINUTE)
    in_time = is_in(staff)
    clock(configured.STAFF_IDLE_MINUTES * MINUTE + 2 * sessions.TOUCH_INTERVAL_SECONDS)

    answer = staff.get(INDEX)

    assert in_time
    assert (answer.status_code, answer.url) == (302, "/admin/login/?next=/admin/")
    assert not Session.objects.exists()


def test_an_active_session_lasts_until_its_absolute_end(staff, clock):
    hours = configured.SESSION_COOKIE_AGE // HOUR

    stayed = []
    for _ in range(2 * hours):
        clock(HOUR // 2)
        stayed.append(is_in(staff))
    clock(2)

    assert stayed == [True] * 2 * hours
    assert not is_in(staff)


def test_a_page_that_refreshes_itself_does_not_prolong_a_session(staff, clock):
    refreshed = []
    for _ in range(configured.STAFF_IDLE_MINUTES + 3):
        clock(MINUTE)
        refreshed.append(is_in(staff, LIVE))

    assert (refreshed[0], refreshed[-1]) == (True, False)


def test_a_new_log_in_restarts_the_times(staff, clock, admin_user):
    clock(configured.SESSION_COOKIE_AGE - 10)
    staff.force_login(admin_user)
    clock(30)

    assert is_in(staff)


def test_a_session_of_the_previous_version_stays_valid(staff, clock):
    session = staff.session
    for key in (sessions.STARTED_AT, sessions.SEEN_AT):
        del session[key]
    session.save()

    taken_over = is_in(staff)
    clock(configured.SESSION_COOKIE_AGE + 1)

    assert taken_over
    assert not is_in(staff)


def writes_of(client, path: str) -> list[str]:
    with CaptureQueriesContext(connection) as queries:
        client.get(path)
    found = [query["sql"] for query in queries.captured_queries if "django_session" in query["sql"]]
    return [sql for sql in found if not sql.startswith("SELECT")]


def test_a_session_is_written_at_most_once_a_minute(staff, clock):
    at_first = writes_of(staff, INDEX)
    clock(sessions.TOUCH_INTERVAL_SECONDS)
    live, first, second = writes_of(staff, LIVE), writes_of(staff, INDEX), writes_of(staff, INDEX)

    assert (at_first, live, second) == ([], [], [])
    assert any(sql.startswith("UPDATE") for sql in first)


def test_the_api_and_anonymous_requests_read_no_session(client, product):
    with CaptureQueriesContext(connection) as queries:
        client.get(f"/api/v1/products/{product.pk}")
        client.get("/admin/login/")

    assert not [q for q in queries.captured_queries if "django_session" in q["sql"]]
    assert not Session.objects.exists()


def test_a_page_whose_session_ended_goes_to_the_log_in_and_comes_back(client, db):
    headers = {"HX-Request": "true", "HX-Current-URL": "https://shop.example.com/admin/?x=1"}

    answer = client.get(LIVE, headers=headers)

    assert (answer.status_code, answer.headers["HX-Redirect"]) == (204, "/admin/login/?next=%2Fadmin%2F")
    assert client.get(LIVE).status_code == 302


@pytest.mark.django_db(transaction=True)
def test_expired_sessions_are_purged_in_batches():
    now = datetime.now(tz=UTC)
    for number in range(5):
        Session.objects.create(session_key=f"old-{number}", expire_date=now - timedelta(days=1))
    Session.objects.create(session_key="new", expire_date=now + timedelta(days=1))
    LoginFailure.objects.create(name="old", source="address 192.0.2.1", failures=1, last_at=now - timedelta(days=1))
    LoginFailure.objects.create(name="new", source="address 192.0.2.1", failures=1, last_at=now)

    assert sessions.purge(limit=2) == 2
    tasks.purge_logins()

    assert [session.pk for session in Session.objects.all()] == ["new"]
    assert [failure.name for failure in LoginFailure.objects.all()] == ["new"]


def test_the_beat_purges(schedule):
    task = PeriodicTask.objects.get(task="flashsale.tasks.purge_logins")

    assert (task.enabled, str(task.interval)) == (True, "every hour")


def test_the_cookie_ends_with_the_session(client, django_user_model, db):
    django_user_model.objects.create_user("ann", password="secret-1", is_staff=True)

    answer = client.post(reverse("admin:login"), {"username": "ann", "password": "secret-1"})

    assert answer.cookies["sessionid"]["max-age"] == configured.SESSION_COOKIE_AGE == 12 * HOUR

"""Liveness and readiness, with the parts that are missing."""

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django_celery_beat.models import PeriodicTask

from flashsale.celery import app
from flashsale.core import redis_client
from flashsale.observability import health, heartbeat
from flashsale.tests.support.processes import free_port


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """A process that knows nothing yet; no worker has shown up."""
    monkeypatch.setattr(health, "migrations", health._Migrations())
    redis_client.client().delete(*(heartbeat._key(queue) for queue in heartbeat.QUEUES))


def sign_of_life(queue: str) -> None:
    """Let a worker of the queue finish a task."""

    class Task:
        class request:  # noqa: N801 - as Celery names it
            delivery_info = {"routing_key": queue}

    heartbeat.record_heartbeat(task=Task)


def test_livez_answers_always(client):
    assert client.get("/livez").json() == {"status": "ok"}


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_a_probe_may_use_any_host_name_and_plain_http(client, db, settings, path):
    settings.ALLOWED_HOSTS, settings.SECURE_SSL_REDIRECT = ["shop.example.com"], True

    assert client.get(path, headers={"host": "127.0.0.1:8000"}).status_code == 200
    assert client.post(path).status_code == 405


def test_readyz_is_ok_with_everything_running(client, db):
    for queue in heartbeat.QUEUES:
        sign_of_life(queue)

    answer = client.get("/readyz")

    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "parts": {"database": "ok", "redis": "ok", "workers": "ok"}}


def test_without_a_worker_it_is_degraded_and_still_ready(client, db):
    sign_of_life("celery")

    answer = client.get("/readyz")

    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert answer.json()["parts"] == {"database": "ok", "redis": "ok", "workers": "silent: expiry, payments, webhooks"}


def test_without_redis_it_is_degraded_and_still_ready(client, db, settings):
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"

    answer = client.get("/readyz")

    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert answer.json()["parts"] == {"database": "ok", "redis": "down", "workers": "unknown"}


def test_without_its_migrations_it_is_not_ready(client, db):
    MigrationRecorder(connection).migration_qs.filter(app="payments").order_by("-name").first().delete()

    answer = client.get("/readyz")

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert answer.json()["parts"]["database"] == "migrations missing"


def test_without_a_database_it_is_alive_and_not_ready(client, db, monkeypatch):
    def no_database(*_args, **_kwargs):
        raise health.InterfaceError("connection refused")

    with monkeypatch.context() as patch:
        patch.setattr(connection, "cursor", no_database)
        answer = client.get("/readyz")

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert (answer.json()["status"], answer.json()["parts"]["database"]) == ("unavailable", "down")
    assert client.get("/livez").status_code == 200


def test_every_queue_has_a_task_that_sends_heartbeats_often_enough(schedule):
    routed = {"expiry", "payments", "webhooks", app.conf.task_default_queue}

    assert set(heartbeat.QUEUES) == routed
    for queue in heartbeat.QUEUES:
        tasks = PeriodicTask.objects.filter(queue=queue if queue != "celery" else None)
        assert min(task.interval.every for task in tasks if task.interval.period == "seconds") < 10


def test_health_says_that_the_process_lives_and_the_database_answers(client, db):
    assert client.get("/livez").status_code == 200
    assert client.get("/readyz").status_code == 200

"""Heartbeats of the workers: each finished task sets its queue's key in Redis, which expires.

Where `ALIVE_FILE` is set, a worker that is connected to its broker touches that file, and so does a beat that sends
tasks or stands by for another one or for its database; a health check looks at the file's age.
"""

from pathlib import Path
from typing import Any

from celery import Task
from celery.signals import after_task_publish, beat_init, heartbeat_sent, task_postrun
from django.conf import settings

from flashsale.beat import standing_by
from flashsale.core import redis_client

# The expiry and reconciliation tasks run every few seconds.
SILENT_AFTER_SECONDS = 30
QUEUES = ("expiry", "payments", "webhooks", "celery")

_breaker = redis_client.CircuitBreaker(fallback="the workers' heartbeats are not recorded")


def _key(queue: str) -> str:
    return f"flashsale:worker:{queue}"


def register() -> None:
    """Record a heartbeat after every task of this process, and touch `ALIVE_FILE` where it is set."""
    task_postrun.connect(record_heartbeat)
    if settings.ALIVE_FILE:
        heartbeat_sent.connect(touch_alive_file)
        beat_init.connect(touch_on_every_task)
        standing_by.connect(touch_alive_file)


def record_heartbeat(task: Task | None = None, **_: Any) -> None:
    """Record that a worker of this task's queue is alive."""
    queue = (task.request.delivery_info or {}).get("routing_key") if task else None
    if queue in QUEUES:
        _breaker.call(lambda: redis_client.client().set(_key(queue), "1", ex=SILENT_AFTER_SECONDS))


def touch_on_every_task(**_: Any) -> None:
    """Touch the file from now on with every task that this beat sends."""
    after_task_publish.connect(touch_alive_file)


def touch_alive_file(**_: Any) -> None:
    """Touch the file: this process is working."""
    Path(settings.ALIVE_FILE).touch()


def silent_queues() -> list[str]:
    """Return the queues whose workers sent no heartbeat within `SILENT_AFTER_SECONDS`. Raises `redis.RedisError`."""
    heartbeats = redis_client.client().mget([_key(queue) for queue in QUEUES])
    return [queue for queue, heartbeat in zip(QUEUES, heartbeats, strict=True) if heartbeat is None]

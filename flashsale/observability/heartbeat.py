"""Signs of life of the workers: each finished task leaves one for its queue, and readiness looks for them.

Where `ALIVE_FILE` is set, a worker that is connected to its broker, and a beat that really sends tasks, touch that
file: a health check needs to look at its age only.
"""

from pathlib import Path

from celery.signals import after_task_publish, beat_init, heartbeat_sent, task_postrun
from django.conf import settings

from flashsale.core import redis_client

# The expiry and reconciliation tasks run every few seconds.
SILENT_AFTER_SECONDS = 30
QUEUES = ("expiry", "celery")

_breaker = redis_client.CircuitBreaker(fallback="the workers' signs of life are not kept")


def _key(queue: str) -> str:
    return f"flashsale:worker:{queue}"


def register() -> None:
    """Let every finished task of this process leave a sign of life, and this process too where a file is named."""
    task_postrun.connect(note_sign_of_life)
    if settings.ALIVE_FILE:
        heartbeat_sent.connect(touch_alive_file)
        beat_init.connect(watch_beat)


def note_sign_of_life(task=None, **_) -> None:
    """Remember that a worker of this task's queue is alive."""
    queue = (task.request.delivery_info or {}).get("routing_key") if task else None
    if queue in QUEUES:
        _breaker.call(lambda: redis_client.client().set(_key(queue), "1", ex=SILENT_AFTER_SECONDS))


def watch_beat(**_) -> None:
    """From now on, touch the file with every task that this beat has sent."""
    after_task_publish.connect(touch_alive_file)


def touch_alive_file(**_) -> None:
    """Say that this process does its work."""
    Path(settings.ALIVE_FILE).touch()


def silent_queues() -> list[str]:
    """Return the queues whose workers gave no sign of life lately. Raises `redis.RedisError`."""
    seen = redis_client.client().mget([_key(queue) for queue in QUEUES])
    return [queue for queue, sign in zip(QUEUES, seen, strict=True) if sign is None]

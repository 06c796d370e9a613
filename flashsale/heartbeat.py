"""Signs of life of the workers: each finished task leaves one for its queue, and readiness looks for them."""

from celery.signals import task_postrun

from flashsale.core import kv

# The expiry and reconciliation tasks run every few seconds.
SILENT_AFTER_SECONDS = 30
QUEUES = ("expiry", "celery")

_breaker = kv.Breaker(without="the workers' signs of life are not kept")


def _key(queue: str) -> str:
    return f"flashsale:worker:{queue}"


def register() -> None:
    """Let every finished task of this process leave a sign of life."""
    task_postrun.connect(note_sign_of_life)


def note_sign_of_life(task=None, **_) -> None:
    """Remember that a worker of this task's queue is alive."""
    queue = (task.request.delivery_info or {}).get("routing_key") if task else None
    if queue in QUEUES:
        _breaker.tried(lambda: kv.client().set(_key(queue), "1", ex=SILENT_AFTER_SECONDS))


def silent_queues() -> list[str]:
    """Return the queues whose workers gave no sign of life lately. Raises `redis.RedisError`."""
    seen = kv.client().mget([_key(queue) for queue in QUEUES])
    return [queue for queue, sign in zip(QUEUES, seen, strict=True) if sign is None]

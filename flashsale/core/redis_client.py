"""Valkey/Redis with short timeouts and a circuit breaker; every caller has a fallback."""

import functools
import time
from collections.abc import Callable
from typing import Any, TypeVar

import redis
from django.conf import settings

from flashsale.core import events

# After an error it is left alone for this long, so that a dead one slows only few requests.
PAUSE_AFTER_ERROR_SECONDS = 1.0

Answer = TypeVar("Answer")


def connect_options() -> dict[str, Any]:
    """Return the options of a client that never waits long."""
    timeout = settings.REDIS_TIMEOUT_SECONDS
    return {"socket_timeout": timeout, "socket_connect_timeout": timeout}


def client() -> redis.Redis:
    """Return this process's client; its answers are text."""
    return _client(settings.REDIS_URL)


@functools.cache
def _client(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, decode_responses=True, **connect_options())


class CircuitBreaker:
    """Asks Redis, and for a while after an error does not; `fallback` says in the log what happens then."""

    def __init__(self, *, fallback: str) -> None:
        self._fallback = fallback
        self._may_be_asked_at = 0.0

    def reset(self) -> None:
        """Forget the last error, so that Redis is asked again."""
        self._may_be_asked_at = 0.0

    def call(self, ask: Callable[[], Answer]) -> Answer | None:
        """Return the answer, or None where Redis gave none."""
        if time.monotonic() < self._may_be_asked_at:
            return None
        try:
            return ask()
        except redis.RedisError as error:
            self._may_be_asked_at = time.monotonic() + PAUSE_AFTER_ERROR_SECONDS
            events.record("redis_silent", fallback=self._fallback, error=str(error))
            return None

"""Valkey/Redis with short timeouts and a circuit breaker; every caller has a fallback."""

import functools
import time
from collections.abc import Callable
from typing import Any, TypeVar

import redis
from django.conf import settings

from flashsale.core import events, greenlets
from flashsale.core.redis_servers.pools import pool_of

# After an error the circuit stays open for this long, so that a dead Redis slows only few requests.
PAUSE_AFTER_ERROR_SECONDS = 1.0

Answer = TypeVar("Answer")


def connect_options() -> dict[str, Any]:
    """Return the options of a client with short timeouts."""
    timeout = settings.REDIS_TIMEOUT_SECONDS
    return {"socket_timeout": timeout, "socket_connect_timeout": timeout}


def client() -> redis.Redis:
    """Return this process's client; its answers are text."""
    return _client(settings.REDIS_URL)


@functools.cache
def _client(url: str) -> redis.Redis:
    return redis.Redis.from_pool(pool(url, decode_responses=True))


def pool(url: str, **options: Any) -> redis.ConnectionPool:
    """Return a new pool of connections with short timeouts; `options` are redis-py's."""
    return pool_of(url, **connect_options(), **options)


class CircuitBreaker:
    """Calls Redis, except for `PAUSE_AFTER_ERROR_SECONDS` after an error.

    `fallback` says in the log what happens without Redis.
    """

    def __init__(self, *, fallback: str) -> None:
        self._fallback = fallback
        self._open_until = 0.0

    def reset(self) -> None:
        """Close the circuit, so that Redis is called again."""
        self._open_until = 0.0

    def call(self, command: Callable[[], Answer]) -> Answer | None:
        """Return the command's answer, or None when Redis gave none or was not called."""
        return None if self._is_open() else greenlets.offload(self._call, command)

    def _is_open(self) -> bool:
        return time.monotonic() < self._open_until

    def _call(self, command: Callable[[], Answer]) -> Answer | None:
        # The circuit may have been opened while many calls waited for worker threads.
        if self._is_open():
            return None
        try:
            return command()
        except redis.RedisError as error:
            self._open_until = time.monotonic() + PAUSE_AFTER_ERROR_SECONDS
            events.record("redis_silent", fallback=self._fallback, error=str(error))
            return None

"""Finds the master: all sentinels are asked at once, and the first that knows it decides.

redis-py asks one after another, before each new connection: with time-outs of its own for each, sentinels on dead hosts
would slow a request several times. Here the search takes one time-out at most, its result is remembered for a moment,
and threads that need it meanwhile wait for the one that asks. An answer may be out of date: the master that it names
then refuses the connection or the first write, and is asked for again.

Source: https://valkey.io/topics/sentinel-clients/
"""

import queue
import threading
import time
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import MasterNotFoundError, Sentinel

from flashsale.core.redis_servers.addresses import SentinelAddress

# Shorter than a circuit breaker's pause, so that the next call after an error asks again.
REMEMBERED_SECONDS = 0.5

Address = tuple[str, int]


def sentinel_options(address: SentinelAddress, *, timeout_seconds: float) -> dict[str, Any]:
    """Return redis-py's options of a connection to a sentinel: one try, with this time-out for each of its steps."""
    options: dict[str, Any] = {
        "socket_timeout": timeout_seconds, "socket_connect_timeout": timeout_seconds,
        "retry": Retry(NoBackoff(), 0),
        "username": address.sentinel_username, "password": address.sentinel_password,
    }  # fmt: skip
    return options | ({} if address.tls is None else {"ssl": True, **address.tls})


class MasterFinder(Sentinel):
    """redis-py's manager of sentinels, with a search that takes `timeout_seconds` at most; see the module."""

    def __init__(self, address: SentinelAddress, *, timeout_seconds: float) -> None:
        options = sentinel_options(address, timeout_seconds=timeout_seconds)
        super().__init__(address.sentinels, sentinel_kwargs=options)  # type: ignore[no-untyped-call]
        self._timeout_seconds = timeout_seconds
        self._lock = threading.Lock()
        self._remembered_until = 0.0
        self._found: Address | None = None
        self._reasons: list[str] = []

    def discover_master(self, service_name: str) -> Address:
        """Return the master's host and port. Raises `MasterNotFoundError`, a `redis.ConnectionError`."""
        asked_at = time.monotonic()
        with self._lock:
            if asked_at >= self._remembered_until:
                self._found, self._reasons = self._search(service_name)
                self._remembered_until = time.monotonic() + REMEMBERED_SECONDS
            found, reasons = self._found, self._reasons
        if found is None:
            raise MasterNotFoundError(f"No sentinel knows the master of {service_name!r}: {', '.join(reasons)}")
        return found

    def _search(self, service_name: str) -> tuple[Address | None, list[str]]:
        answers: queue.SimpleQueue[Address | str] = queue.SimpleQueue()
        for sentinel in self.sentinels:
            threading.Thread(target=self._ask, args=(sentinel, service_name, answers.put), daemon=True).start()
        return self._first_of(answers)

    def _first_of(self, answers: "queue.SimpleQueue[Address | str]") -> tuple[Address | None, list[str]]:
        ends_at = time.monotonic() + self._timeout_seconds
        reasons: list[str] = []
        for _ in self.sentinels:
            try:
                answer = answers.get(timeout=max(0, ends_at - time.monotonic()))
            except queue.Empty:
                return None, [*reasons, "no answer in time"]
            if not isinstance(answer, str):
                return answer, []
            reasons.append(answer)
        return None, reasons

    def _ask(self, sentinel: redis.Redis, service_name: str, tell: Any) -> None:
        try:
            states: Any = sentinel.sentinel_masters()
        except (redis.RedisError, OSError) as error:
            tell(str(error))
            return
        state = states.get(service_name)
        is_usable = state is not None and self.check_master_state(state, service_name)  # type: ignore[no-untyped-call]
        tell((state["ip"], state["port"]) if state is not None and is_usable else "a sentinel knows no usable master")

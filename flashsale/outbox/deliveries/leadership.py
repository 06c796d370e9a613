"""Which of several processes takes deliveries at a time: see `sending`.

A key in Valkey that expires. It is for the pace only: with two leaders, or none that is known, each delivery is still
leased once.
"""

import uuid

from flashsale.core import redis_client

KEY = "flashsale:outbox:sender"
EXPIRY_MS = 3_000

_breaker = redis_client.CircuitBreaker(fallback="every process that sends webhooks takes deliveries")


class Leadership:
    """A process's claim to take deliveries."""

    def __init__(self) -> None:
        self._own = uuid.uuid4().hex

    def holds(self) -> bool:
        """Take or keep the leadership; False when another process has it. True without Valkey."""
        return _breaker.call(self._take) is not False

    def release(self) -> None:
        """Let another process take it at once."""
        _breaker.call(self._give_up)

    def _take(self) -> bool:
        client = redis_client.client()
        if client.set(KEY, self._own, nx=True, px=EXPIRY_MS):
            return True
        return client.get(KEY) == self._own and bool(client.pexpire(KEY, EXPIRY_MS))

    def _give_up(self) -> None:
        client = redis_client.client()
        if client.get(KEY) == self._own:
            client.delete(KEY)

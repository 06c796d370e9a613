"""The provider as a whole: its keys, clock, objects, habits, and what it received."""

import json
import secrets
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flashsale.local_provider.behaviour.habits import Habits
from flashsale.local_provider.behaviour.idempotency import IdempotencyKeys
from flashsale.local_provider.behaviour.rate_limit import REQUESTS_PER_SECOND, RateLimiter
from flashsale.local_provider.storage import Storage, Thing, shown
from flashsale.local_provider.webhooks import WebhookSender

# Of events; the version of the pinned `stripe` library.
API_VERSION = "2026-10-28.endive"
MAX_RECEIVED = 10_000
ID_BYTES = 12


@dataclass(frozen=True)
class Keys:
    """The keys that the provider gave to the shop. `webhook_secret` signs its events."""

    secret: str
    publishable: str
    webhook_secret: str = ""


@dataclass(frozen=True)
class Request:
    """A request to the API. `fields` are its parameters as sent, `params` the same nested."""

    method: str
    path: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    params: dict[str, Any] = field(default_factory=dict)
    key: str = ""
    authorization: str = ""
    object_id: str = ""
    is_publishable: bool = False
    request_id: str = field(default_factory=lambda: new_id("req"))


@dataclass(frozen=True)
class Received:
    """What is kept of a request for tests and people to look at: `endpoint` is such as `POST /v1/refunds`."""

    endpoint: str
    path: str
    key: str
    params: dict[str, str]


class Provider:
    """All state of one provider. `lock` is held while objects are read or changed, never while anything waits."""

    def __init__(
        self,
        keys: Keys,
        *,
        webhook_url: str = "",
        journal: Path | None = None,
        requests_per_second: int = REQUESTS_PER_SECOND,
    ) -> None:
        self.keys = keys
        # Set by the server, which knows its port.
        self.base_url = ""
        self.lock = threading.RLock()
        self._interrupted = threading.Event()
        self.habits = Habits()
        self.storage = Storage(journal, now=int(time.time()))
        self.idempotency = IdempotencyKeys(self.storage)
        self.rate_limiter = RateLimiter(requests_per_second=requests_per_second)
        self.received: deque[Received] = deque(maxlen=MAX_RECEIVED)
        self.webhooks = WebhookSender(self, url=webhook_url)

    def now(self) -> int:
        """Return the provider's time in seconds since 1970."""
        return int(time.time() + self.habits.clock_offset_seconds)

    def wait(self, seconds: float) -> None:
        """Wait, at most until `end_waiting`."""
        self._interrupted.wait(seconds)

    def end_waiting(self) -> None:
        """End the waits of all requests that wait now."""
        self._interrupted.set()
        self._interrupted = threading.Event()

    def emit(self, event_type: str, thing: Thing, request: Request | None = None) -> None:
        """Add an event about an object as it is now. The caller holds the lock and commits."""
        about = {"id": request.request_id, "idempotency_key": request.key or None} if request else None
        event = {
            "id": new_id("evt"),
            "object": "event",
            "api_version": API_VERSION,
            "created": self.now(),
            "data": {"object": json.loads(json.dumps(shown(thing)))},
            "livemode": False,
            "pending_webhooks": 1 if self.webhooks.url else 0,
            "request": about or {"id": None, "idempotency_key": None},
            "type": event_type,
        }
        self.storage.put_event(event)

    def commit(self) -> None:
        """Write what changed to the journal, and send the new events. The caller holds the lock."""
        for event in self.storage.commit():
            self.webhooks.schedule(event)
        # Events that are not sent.
        self.storage.commit()

    def start(self) -> None:
        """Start sending webhooks."""
        self.webhooks.start()

    def close(self) -> None:
        """Stop waiting requests and the sender of webhooks, and close the journal."""
        self.end_waiting()
        self.webhooks.stop()
        with self.lock:
            self.storage.close()


def new_id(prefix: str) -> str:
    """Return an id that cannot be guessed."""
    return f"{prefix}_{secrets.token_hex(ID_BYTES)}"

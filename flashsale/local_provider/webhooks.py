"""Webhooks: signed as Stripe does, sent in threads of their own, tried again with backoff.

Source: https://docs.stripe.com/webhooks#verify-manually.
"""

import contextlib
import hashlib
import heapq
import hmac
import http.client
import json
import threading
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flashsale.local_provider.storage import Thing

if TYPE_CHECKING:
    from flashsale.local_provider.provider import Provider

# Of what happens, the types that the shop's endpoint asked for; the list of events has all.
ENABLED_EVENTS = frozenset(
    {
        "payment_intent.created", "payment_intent.processing", "payment_intent.succeeded",
        "payment_intent.payment_failed", "payment_intent.canceled", "checkout.session.completed",
        "checkout.session.expired", "checkout.session.async_payment_succeeded", "checkout.session.async_payment_failed",
        "charge.refunded", "refund.updated", "refund.failed",
    }
)  # fmt: skip
SENDERS = 4
# Seconds before each further try.
BACKOFF_SECONDS = (1, 2, 5, 10, 30, 60, 300, 900, 3600)
TIMEOUT_SECONDS = 10
REORDERED_SECONDS = 2
# Before this version a payment intent listed its charges.
LATEST_CHARGE_SINCE = "2022-11-15"


class WebhookSender:
    """Sends events to the shop; without a `url` they are kept until `take` returns them."""

    def __init__(self, provider: "Provider", *, url: str) -> None:
        self.url = url
        self._provider = provider
        self._changed = threading.Condition()
        self._due: list[tuple[float, int, str, int]] = []
        self._count = 0
        self._is_over = False
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start the threads, and send first what was not delivered before a restart."""
        for event_id in [one for one in self._provider.storage.events if one in self._provider.storage.undelivered]:
            self._add(event_id, delay=0)
        if self.url:
            self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(SENDERS)]
            for thread in self._threads:
                thread.start()

    def stop(self) -> None:
        """Stop the threads; events that are left are sent after the next start."""
        with self._changed:
            self._is_over = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(TIMEOUT_SECONDS)

    def schedule(self, event: Thing) -> None:
        """Plan the delivery of a new event, as the provider's habits say."""
        habits = self._provider.habits
        if habits.webhooks == "never" or event["type"] not in ENABLED_EVENTS:
            self._provider.storage.mark_delivered(event["id"])
            return
        delay = habits.webhook_delay_seconds if habits.webhooks == "late" else 0
        if habits.webhooks == "reordered" and self._count % 2 == 0:
            delay = REORDERED_SECONDS
        for _ in range(2 if habits.webhooks == "twice" else 1):
            self._add(event["id"], delay=delay)

    def take(self) -> list[tuple[bytes, dict[str, str]]]:
        """Return bodies and headers of the planned deliveries by due time, and forget them."""
        with self._changed:
            planned, self._due = sorted(self._due), []
        return [self.render(self._provider.storage.events[event_id]) for _, _, event_id, _ in planned]

    def render(self, event: Thing) -> tuple[bytes, dict[str, str]]:
        """Return an event's body and its headers, signed now."""
        body = json.dumps(_in_version(event, self._provider.habits.webhook_api_version), indent=2).encode()
        timestamp = self._provider.now()
        secret = self._provider.keys.webhook_secret.encode()
        signature = hmac.new(secret, f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
        headers = {"Content-Type": "application/json", "Stripe-Signature": f"t={timestamp},v1={signature}"}
        return body, headers

    def _add(self, event_id: str, *, delay: float, tries: int = 0) -> None:
        with self._changed:
            self._count += 1
            heapq.heappush(self._due, (time.monotonic() + delay, self._count, event_id, tries))
            self._changed.notify()

    def _run(self) -> None:
        while (planned := self._wait_for_next()) is not None:
            event_id, tries = planned
            with self._provider.lock:
                event = self._provider.storage.events.get(event_id)
            if event is not None:
                self._deliver(event, tries)

    def _wait_for_next(self) -> tuple[str, int] | None:
        with self._changed:
            while not self._is_over:
                wait = self._due[0][0] - time.monotonic() if self._due else None
                if wait is not None and wait <= 0:
                    _, _, event_id, tries = heapq.heappop(self._due)
                    return event_id, tries
                self._changed.wait(wait)
        return None

    def _deliver(self, event: Thing, tries: int) -> None:
        body, headers = self.render(event)
        is_delivered = self._is_accepted(body, headers)
        if not is_delivered and tries < len(BACKOFF_SECONDS):
            self._add(event["id"], delay=BACKOFF_SECONDS[tries], tries=tries + 1)
            return
        with self._provider.lock:
            event["pending_webhooks"] = 0
            self._provider.storage.mark_delivered(event["id"])
            self._provider.storage.commit()

    def _is_accepted(self, body: bytes, headers: dict[str, str]) -> bool:
        target = urlsplit(self.url)
        connection = http.client.HTTPConnection(target.hostname or "", target.port, timeout=TIMEOUT_SECONDS)
        with contextlib.closing(connection):
            try:
                connection.request("POST", target.path, body, headers | {"User-Agent": "local-provider"})
                return connection.getresponse().status < http.HTTPStatus.MULTIPLE_CHOICES
            except (OSError, http.client.HTTPException):
                return False


def _in_version(event: Thing, version: str) -> Thing:
    """Return the event as an endpoint of an older API version receives it."""
    if not version:
        return event
    thing = dict(event["data"]["object"])
    if thing["object"] == "payment_intent" and version < LATEST_CHARGE_SINCE:
        charge = thing.pop("latest_charge", None)
        charges = [{"id": charge, "object": "charge", "payment_intent": thing["id"]}] if charge else []
        thing["charges"] = {"object": "list", "data": charges, "has_more": False, "total_count": len(charges)}
    return event | {"api_version": version, "data": {"object": thing}}

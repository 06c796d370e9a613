"""Hands what a provider answered to the inbox; what cannot be taken is left to staff and stops nothing else."""

import hashlib
from dataclasses import dataclass

from flashsale.core import events
from flashsale.core.transactions import is_temporary
from payments import inbox
from payments.models import WebhookEvent
from payments.providers import PROVIDERS
from payments.providers.base import Message

UNREADABLE = "unreadable"


@dataclass(frozen=True)
class Found:
    """An event as a provider wrote it, and what it says; None for one that cannot be read."""

    body: bytes
    message: Message | None

    @property
    def event_id(self) -> str:
        """The event's id; of one that cannot be read, the same for the same bytes."""
        return self.message.event_id if self.message else name_of_unreadable(self.body)


def read(provider: str, body: bytes) -> Found:
    """Return an event with what it says, which is nothing when it cannot be translated."""
    try:
        return Found(body, PROVIDERS[provider].translate(body, {}))
    except Exception:
        return Found(body, None)


def take(provider: str, found: Found, *, source: WebhookEvent.Source) -> bool:
    """Hand an event to the inbox; False when it cannot be read or stored, which is told to staff once.

    Raises what may pass with time: `Busy`, `OutcomeUnknown`, and transient errors of the database.
    """
    try:
        if found.message is not None:
            inbox.take(PROVIDERS[provider], found.body, source=source)
            return True
    except Exception as error:
        if is_temporary(error):
            raise
        events.record("event_unreadable", provider=provider, event_id=found.event_id, exc_info=True)
    else:
        events.record("event_unreadable", provider=provider, event_id=found.event_id)
    _report_unreadable(provider, found, source=source)
    return False


def name_of_unreadable(body: bytes) -> str:
    """Return the id under which an event is stored that cannot be read."""
    return f"{UNREADABLE}:{hashlib.sha256(body).hexdigest()[:32]}"


def _report_unreadable(provider: str, found: Found, *, source: WebhookEvent.Source) -> None:
    message = Message(
        event_id=name_of_unreadable(found.body),
        kind=WebhookEvent.Kind.UNKNOWN,
        type=found.message.type if found.message else UNREADABLE,
        fingerprint=hashlib.sha256(found.body).hexdigest(),
    )
    inbox.report(PROVIDERS[provider], message, found.body, source=source, reason=UNREADABLE)

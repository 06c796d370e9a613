"""The rules' answer about an event."""

from dataclasses import dataclass
from datetime import datetime

from payments.models import WebhookEvent


@dataclass(frozen=True)
class Verdict:
    """The status that an event gets and a word for the reason; `at` is the database time, where it was read already."""

    status: WebhookEvent.Status
    reason: str = ""
    at: datetime | None = None


def review(reason: str) -> Verdict:
    """Return the verdict that leaves an event to staff."""
    return Verdict(WebhookEvent.Status.NEEDS_REVIEW, reason)


def ignore(reason: str) -> Verdict:
    """Return the verdict that an event changes nothing."""
    return Verdict(WebhookEvent.Status.IGNORED, reason)


def applied(reason: str, *, at: datetime | None = None) -> Verdict:
    """Return the verdict that an event changed its order or its money."""
    return Verdict(WebhookEvent.Status.APPLIED, reason, at=at)

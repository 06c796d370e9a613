"""What may become of an event."""

from dataclasses import dataclass
from datetime import datetime

from payments.models import WebhookEvent


@dataclass(frozen=True)
class Verdict:
    """What became of an event, and why, in a word; and when, where that was read from the database's clock already."""

    status: WebhookEvent.Status
    reason: str = ""
    at: datetime | None = None


def review(reason: str) -> Verdict:
    """Return the verdict that leaves an event to staff."""
    return Verdict(WebhookEvent.Status.NEEDS_REVIEW, reason)

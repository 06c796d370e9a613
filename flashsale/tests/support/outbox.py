"""The events that a test makes, as the feed answers them."""

import json
from typing import Any

from flashsale.outbox import feed
from flashsale.outbox.models import Event

Envelope = dict[str, Any]


class NewEvents:
    """Reads the events after those that were read before."""

    def __init__(self) -> None:
        self._cursor = feed.read(limit=1).next
        self.skip()

    def skip(self) -> None:
        """Pass over what was not read yet."""
        while self():
            pass

    def __call__(self, *types: str) -> list[Envelope]:
        """Return the next events, of these types, or of all without any; the others are passed over."""
        page = feed.read(after=self._cursor, limit=500)
        self._cursor = page.next
        envelopes = [json.loads(body) for body in page.bodies]
        return [envelope for envelope in envelopes if not types or envelope["type"] in types]


def bodies() -> list[str]:
    """Return the body of every event that is numbered."""
    return list(Event.objects.values_list("body", flat=True))


def types_of(envelopes: list[Envelope]) -> list[str]:
    return [envelope["type"] for envelope in envelopes]

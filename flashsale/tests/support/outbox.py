"""The events that a test makes, as the feed answers them: each is one that the OpenAPI document describes."""

import json
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from flashsale.outbox import feed
from flashsale.outbox.models import Event
from flashsale.tests.support.processes import PROJECT

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
        for envelope in envelopes:
            assert_described(envelope)
        return [envelope for envelope in envelopes if not types or envelope["type"] in types]


def assert_described(envelope: Envelope) -> None:
    """Fail where an event is not what the document says of its type."""
    validator_of(envelope["type"]).validate(envelope)


@cache
def document() -> dict[str, Any]:
    """Return the committed document of the back office."""
    return json.loads((PROJECT / "docs" / "openapi-backoffice.json").read_text())


@cache
def validator_of(event_type: str) -> Draft202012Validator:
    """Return what validates the body of a webhook of this type."""
    body = document()["webhooks"][event_type]["post"]["requestBody"]["content"]["application/json"]["schema"]
    return Draft202012Validator({**body, "components": document()["components"]})


def bodies() -> list[str]:
    """Return the body of every event that is numbered."""
    return list(Event.objects.values_list("body", flat=True))


def types_of(envelopes: list[Envelope]) -> list[str]:
    return [envelope["type"] for envelope in envelopes]

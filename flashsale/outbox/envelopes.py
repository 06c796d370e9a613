"""Events as their readers see them: the same JSON in the feed and in every webhook."""

import json
from typing import Any

import structlog
from rest_framework import serializers

from flashsale.core import rows
from flashsale.core.rest.fields import MomentField
from flashsale.core.rest.serializers import ResponseSerializer
from flashsale.core.rest.views import render_json
from flashsale.core.statements import Row
from flashsale.outbox import resources
from flashsale.outbox.kinds import EventType
from flashsale.outbox.models import Event
from flashsale.outbox.resources import Snapshot

# Columns of a recorded event that its numbered one has, too.
_COPIED = ("public_id", "type", "resource", "resource_id", "recorded_at")

log = structlog.stdlib.get_logger(__name__)


class EnvelopeOut(ResponseSerializer):
    """Something that happened, with the resource as it was then."""

    id = serializers.CharField(source="shown_id", help_text="The same in every delivery of the event.")
    type = serializers.ChoiceField(choices=EventType.values, help_text="What happened.")
    timestamp = MomentField(source="recorded_at", help_text="When it happened.")
    sequence = serializers.IntegerField(
        help_text="Its place in the feed. A later event of a resource has a higher one; there are gaps."
    )


def event_of(recorded: Row, *, sequence: int) -> Event:
    """Return the numbered event of a recorded one, given as its columns and the text of its snapshot."""
    event = rows.new(Event, {name: recorded[name] for name in _COPIED} | {"sequence": sequence})
    data = {**_data_of(event, recorded["snapshot_text"]), **json.loads(recorded["members"])}
    event.body = render_json({**EnvelopeOut.data_of(event), "data": data}).decode()
    return event


def _data_of(event: Event, snapshot: str) -> dict[str, Any]:
    """Return the resource; of one that this version of the program cannot show, its id, so that the feed goes on."""
    try:
        return resources.get(event.resource).data_of(Snapshot.of(snapshot))
    except Exception:
        log.exception("event_unreadable", event_id=event.shown_id, resource=event.resource)
        return {"id": event.resource_id}

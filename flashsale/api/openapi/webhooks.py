"""The envelope of each type of event, and the webhooks that carry them (OpenAPI 3.1)."""

from typing import Any

from drf_spectacular.extensions import OpenApiSerializerExtension, OpenApiSerializerFieldExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from flashsale.api.openapi.event_types import DATA, Data
from flashsale.core import webhook_signatures
from flashsale.outbox.deliveries.schedule import MAX_TRIES
from flashsale.outbox.envelopes import EnvelopeOut
from flashsale.outbox.kinds import EventType

EVENT_ID, TIMESTAMP = "evt_5f0c3a51f2a84c0f9ad3f8a2b7c1d9e4", "2026-11-20T12:03:07.420000Z"
SEQUENCE = 1234


class EventDataField(serializers.Field[Any, Any, Any, Any]):
    """`data` of a type of events."""

    def __init__(self, data: Data) -> None:
        super().__init__(help_text="The resource as its GET answers, as it was at the commit, and what the type adds.")
        self.data = data


class EventDataDescription(OpenApiSerializerFieldExtension):
    """Describes `data` as the resource's own schema and the added members."""

    target_class = EventDataField

    def map_serializer_field(self, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:
        data: Data = self.target.data
        resource = auto_schema.resolve_serializer(data.resource, direction).ref
        if not data.members:
            return resource
        added = {"type": "object", "properties": data.members, "required": sorted(data.members)}
        return {"allOf": [resource, added]}


def _name_of(event_type: EventType) -> str:
    """Return the name of the component that describes a type of events, such as `OrderPaidEvent`."""
    return "".join(part.capitalize() for part in event_type.name.split("_")) + "Event"


def _envelope_of(event_type: EventType) -> type[EnvelopeOut]:
    members = {
        "__doc__": f"{event_type.label[0].upper()}{event_type.label[1:]}.",
        "__module__": __name__,
        "type": serializers.ChoiceField(choices=[event_type.value], help_text="What happened."),
        "data": EventDataField(DATA[event_type]),
    }
    envelope = type(_name_of(event_type), (EnvelopeOut,), members)
    extend_schema_serializer(component_name=_name_of(event_type))(envelope)
    return envelope


ENVELOPES = {event_type: _envelope_of(event_type) for event_type in EventType}


class Event(EnvelopeOut):
    """Something that happened, with the resource as it was then."""

    data = serializers.DictField()


class EventDescription(OpenApiSerializerExtension):
    """Describes an event as one of the types."""

    target_class = Event

    def map_serializer(self, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:
        refs = {
            event_type.value: auto_schema.resolve_serializer(envelope, direction).ref["$ref"]
            for event_type, envelope in ENVELOPES.items()
        }
        return {
            "description": Event.__doc__,
            "oneOf": [{"$ref": ref} for ref in refs.values()],
            "discriminator": {"propertyName": "type", "mapping": refs},
        }


def example_of(event_type: EventType) -> dict[str, Any]:
    """Return an example of the envelope of this type."""
    data = DATA[event_type].whole_example
    return {"id": EVENT_ID, "type": event_type.value, "timestamp": TIMESTAMP, "sequence": SEQUENCE, "data": data}


def webhooks() -> dict[str, Any]:
    """Return the webhooks of the document: one for each type of events."""
    return {event_type.value: {"post": _webhook(event_type)} for event_type in EventType}


def _webhook(event_type: EventType) -> dict[str, Any]:
    content = {"schema": {"$ref": f"#/components/schemas/{_name_of(event_type)}"}, "example": example_of(event_type)}
    return {
        "operationId": f"on{_name_of(event_type)}",
        "summary": event_type.label[0].upper() + event_type.label[1:],
        "description": "Sent to each endpoint that gets this type; at least once, in no promised order.",
        "tags": ["events"],
        "security": [],
        "parameters": _HEADERS,
        "requestBody": {"required": True, "content": {"application/json": content}},
        "responses": _ANSWERS,
    }


def _header(name: str, description: str, **schema: Any) -> dict[str, Any]:
    return {
        "in": "header",
        "name": name,
        "required": True,
        "description": description,
        "schema": {"type": "string", **schema},
    }


_HEADERS = [
    _header(
        webhook_signatures.ID_HEADER,
        "The event's `id`, the same at each try and replay: process it once.",
        pattern="^evt_[0-9a-f]{32}$",
    ),
    _header(
        webhook_signatures.TIMESTAMP_HEADER,
        "When this try was signed, in seconds since 1970. Refuse what is more than five minutes off.",
        pattern="^[0-9]+$",
    ),
    _header(
        webhook_signatures.SIGNATURE_HEADER,
        "Of `webhook-id`, `webhook-timestamp` and the bytes of the body, joined by dots: HMAC-SHA256 with the"
        " endpoint's secret, as Standard Webhooks says. After a rotation two, separated by a blank: one must match.",
        pattern="^v1,[A-Za-z0-9+/=]+( v1,[A-Za-z0-9+/=]+)*$",
    ),
]
_ANSWERS = {
    "2XX": {"description": "Taken. Answer within 15 seconds, and do the work afterwards."},
    "410": {"description": "Not wanted any more: the endpoint is disabled, and its events wait until it is enabled."},
    "default": {
        "description": f"A failure, and so is a redirect or no answer: tried again, {MAX_TRIES} times in all over about"
        " three days. `Retry-After` is heeded, up to an hour."
    },
}

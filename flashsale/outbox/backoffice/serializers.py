"""Bodies about endpoints for webhooks and their deliveries."""

from datetime import datetime
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from flashsale.core.limits import MAX_ID
from flashsale.core.rest.fields import MomentField, StrictIntegerField, StrictTextField
from flashsale.core.rest.serializers import ClosedRequestSerializer, ResponseSerializer
from flashsale.outbox.kinds import EventType
from flashsale.outbox.models import DESCRIPTION_LENGTH, MAX_TYPES, TYPE_LENGTH, URL_LENGTH, Delivery, Endpoint

ATTEMPT = {
    "type": "object",
    "properties": {
        "at": {"type": "string", "format": "date-time"},
        "status": {"type": ["integer", "null"], "description": "The HTTP status; null without an answer."},
        "duration_ms": {"type": "integer"},
        "error": {"type": "string", "description": "What went wrong, for people; empty after a success."},
    },
    "required": ["at", "status", "duration_ms", "error"],
}


class TypesField(serializers.Field[list[str], Any, list[str], Any]):
    """A JSON array of types of events."""

    default_error_messages = {
        "not_types": "This must be an array of types of events.",
        "too_many": "This must have at most {limit} types.",
        "not_a_choice": "There are no events of this type: {name}",
    }

    def to_internal_value(self, data: Any) -> list[str]:
        if not isinstance(data, list) or not all(isinstance(name, str) for name in data):
            self.fail("not_types")
        if len(data) > MAX_TYPES:
            self.fail("too_many", limit=MAX_TYPES)
        if unknown := [name for name in data if name not in EventType.values]:
            self.fail("not_a_choice", name=unknown[0][:TYPE_LENGTH])
        return sorted(set(data))

    def to_representation(self, value: list[str]) -> list[str]:
        return value


class EndpointChanges(ClosedRequestSerializer):
    """What to change of an endpoint."""

    url = StrictTextField(max_length=URL_LENGTH, required=False)
    types = TypesField(required=False)
    description = StrictTextField(max_length=DESCRIPTION_LENGTH, required=False, allow_null=True)


class NewEndpoint(EndpointChanges):
    """An endpoint to register; absent types are all types."""

    url = StrictTextField(max_length=URL_LENGTH)

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        return {"types": [], **super().to_internal_value(data)}


class ReplayWanted(ClosedRequestSerializer):
    """Which events to send again, by their numbers in the feed."""

    after = StrictIntegerField(min_value=0, max_value=MAX_ID)
    until = StrictIntegerField(min_value=0, max_value=MAX_ID, required=False)
    types = TypesField(required=False)

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        members: dict[str, Any] = super().to_internal_value(data)
        if members.get("until", members["after"]) < members["after"]:
            raise serializers.ValidationError({"until": ["This must not be before `after`."]}, code="too_small")
        return members


class EndpointOut(ResponseSerializer):
    """A URL to which events are sent."""

    id = serializers.UUIDField()
    url = serializers.CharField()
    types = serializers.ListField(child=serializers.CharField(), help_text="Empty: all types.")
    description = serializers.SerializerMethodField(help_text="For people.")
    status = serializers.ChoiceField(
        choices=Endpoint.Status.values,
        help_text="`failing`: its last delivery failed, and one at a time is tried until one succeeds. `disabled`:"
        " nothing is sent until it is enabled, and what happens waits for 30 days.",
    )
    disabled_reason = serializers.SerializerMethodField(
        help_text="`gone`: it answered 410. `failures`: for five days. `requested`. Null unless it is disabled."
    )
    failing_since = MomentField(allow_null=True, help_text="The first failure since the last success.")
    next_probe_at = MomentField(allow_null=True, help_text="When it is tried next, while it is failing.")
    previous_secret_until = MomentField(
        source="previous_secrets_until",
        allow_null=True,
        help_text="Until when the secrets before the present one sign, too.",
    )
    created_at = MomentField()

    @extend_schema_field({"type": ["string", "null"]})
    def get_description(self, endpoint: Endpoint) -> str | None:
        return endpoint.description or None

    @extend_schema_field({"type": ["string", "null"], "enum": [*Endpoint.DisabledReason.values, None]})
    def get_disabled_reason(self, endpoint: Endpoint) -> str | None:
        return endpoint.disabled_reason or None


class EndpointWithSecretOut(EndpointOut):
    """An endpoint with its new secret."""

    secret = serializers.CharField(help_text="Signs what is sent, as Standard Webhooks says; not shown again.")


class DeliveryOut(ResponseSerializer):
    """An event, or a test, on its way to an endpoint."""

    id = serializers.IntegerField()
    message_id = serializers.CharField(help_text="The event's id, which is sent as `webhook-id` with each try.")
    type = serializers.CharField(source="message_type", help_text="The event's type; `webhook.test` of a test.")
    sequence = serializers.SerializerMethodField(help_text="The event's number in the feed; null of a test.")
    status = serializers.ChoiceField(
        choices=Delivery.Status.values, help_text="`dead`: the last of twelve tries failed, or a test did."
    )
    tries = serializers.IntegerField(help_text="How often it was sent, since it was sent again last.")
    next_try_at = MomentField(
        allow_null=True,
        help_text="When it is due; it waits while its endpoint is disabled, or failing and not due for a probe.",
    )
    last_status = serializers.IntegerField(allow_null=True, help_text="The HTTP status of the last answer.")
    last_answer = serializers.CharField(help_text="The beginning of its body, at most 2 KiB.")
    last_error = serializers.CharField(help_text="What went wrong, for people; empty after a success.")
    attempts = serializers.SerializerMethodField(help_text="The last tries, the oldest first.")
    created_at = MomentField()
    delivered_at = MomentField(allow_null=True)

    @extend_schema_field({"type": ["integer", "null"]})
    def get_sequence(self, delivery: Delivery) -> int | None:
        return None if delivery.event is None else delivery.event.sequence

    @extend_schema_field({"type": "array", "items": ATTEMPT})
    def get_attempts(self, delivery: Delivery) -> list[dict[str, Any]]:
        return [_attempt(**attempt) for attempt in delivery.attempts]


def _attempt(*, at: str, status: int | None, duration_ms: int, error: str) -> dict[str, Any]:
    moment = MomentField().to_representation(datetime.fromisoformat(at))
    return {"at": moment, "status": status, "duration_ms": duration_ms, "error": error}


class ReplayOut(ResponseSerializer):
    """What is sent again."""

    count = serializers.IntegerField(help_text="How many events.")
    through = serializers.IntegerField(help_text="Up to this number. With `has_more`, go on with it as `after`.")
    has_more = serializers.BooleanField(help_text="Whether there are more events than one request replays.")

"""The description of the endpoints that get webhooks, and of their deliveries."""

from collections.abc import Callable
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_serializer

from flashsale.api.openapi import examples
from flashsale.api.openapi.bodies import TEXT
from flashsale.api.openapi.operations import describe_view
from flashsale.api.openapi.parts import (
    ANY_BACKOFFICE_REQUEST,
    ANY_CHANGE,
    OPTIONAL_KEY,
    REPLAYED,
    id_in_path,
    needs_scope,
    page_of,
    problems,
    query_of,
    rate_limit_headers,
    response_header,
    success,
)
from flashsale.core.backoffice.views import RATE_SCOPE
from flashsale.core.limits import MAX_ID
from flashsale.outbox.backoffice.deliveries import DeliveryViewSet
from flashsale.outbox.backoffice.endpoints import EndpointViewSet
from flashsale.outbox.backoffice.serializers import DeliveryOut, EndpointOut, EndpointWithSecretOut, ReplayOut
from flashsale.outbox.deliveries.again import MAX_REPLAYED
from flashsale.outbox.endpoints import MAX_ENDPOINTS
from flashsale.outbox.endpoints.registering import ROTATION_HOURS
from flashsale.outbox.kinds import EventType
from flashsale.outbox.models import DESCRIPTION_LENGTH, MAX_TYPES, URL_LENGTH

NAMES = {
    "WebhookEndpoint": EndpointOut, "WebhookEndpointWithSecret": EndpointWithSecretOut, "WebhookDelivery": DeliveryOut,
    "WebhookReplay": ReplayOut,
}  # fmt: skip
for name, serializer in NAMES.items():
    extend_schema_serializer(component_name=name)(serializer)

QUOTA = rate_limit_headers(RATE_SCOPE)
ID = id_in_path("endpoint")
DELIVERY_ID = OpenApiParameter("delivery", OpenApiTypes.INT, OpenApiParameter.PATH, description="The delivery's id.")
LOCATION = response_header("Location", "The path of the new endpoint.", 201)
TYPES = {"type": "array", "items": {"type": "string", "enum": EventType.values}, "maxItems": MAX_TYPES}
MEMBERS = {
    "url": TEXT
    | {
        "format": "uri", "maxLength": URL_LENGTH, "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://[!-~]+$",
        "description": "Over https, without credentials and fragment. Events are sent to public addresses, and to"
        " networks that the operator lists (`OUTGOING_ALLOWED_NETWORKS`), which is checked at each connection.",
    },
    "types": TYPES | {"description": "Which events it gets; none: all, also those of later types."},
    "description": TEXT | {"type": ["string", "null"], "maxLength": DESCRIPTION_LENGTH, "description": "For people."},
}  # fmt: skip
NEW_ENDPOINT = {"type": "object", "properties": MEMBERS, "required": ["url"], "additionalProperties": False}
CHANGES = {"type": "object", "properties": MEMBERS, "additionalProperties": False}
NUMBER = {"type": "integer", "minimum": 0, "maximum": MAX_ID}
REPLAY = {
    "type": "object",
    "properties": {
        "after": NUMBER | {"description": "Events with a higher `sequence`."},
        "until": NUMBER | {"description": "The highest `sequence`; by default the newest."},
        "types": TYPES | {"description": "Of those that the endpoint gets, only these."},
    },
    "required": ["after"],
    "additionalProperties": False,
}

URL = "https://erp.example.com/flash-sale"
ENDPOINT = {
    "id": "0a2f9d3e-6c1b-4a57-8f21-5d4e3c2b1a09", "url": URL, "types": ["order.paid", "refund.done"],
    "description": "The warehouse", "status": "enabled", "disabled_reason": None, "failing_since": None,
    "next_probe_at": None, "previous_secret_until": None, "created_at": examples.PLACED_AT,
}  # fmt: skip
SECRET = ENDPOINT | {"secret": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"}
DELIVERY = {
    "id": 4711, "message_id": "evt_5f0c3a51f2a84c0f9ad3f8a2b7c1d9e4", "type": "order.paid", "sequence": 1234,
    "status": "pending", "tries": 1, "next_try_at": examples.EXPIRES_AT, "last_status": 503,
    "last_answer": "Down for maintenance", "last_error": "The endpoint answered 503.",
    "attempts": [
        {
            "at": "2026-11-20T12:00:31.018293Z", "status": 503, "duration_ms": 41,
            "error": "The endpoint answered 503.",
        }
    ],
    "created_at": examples.ORDERED_AT, "delivered_at": None,
}  # fmt: skip
TEST = DELIVERY | {
    "type": "webhook.test", "sequence": None, "tries": 0, "last_status": None, "last_answer": "", "last_error": "",
    "attempts": [],
}  # fmt: skip


def _verb(
    operation_id: str, summary: str, action: str, effect: str, *, answers: dict, request: Any = None, **more: Any
) -> Callable:
    """Describe a POST that does something with an endpoint."""
    return extend_schema(
        operation_id=operation_id, summary=summary, tags=["webhooks"],
        description=f"{effect} {needs_scope(EndpointViewSet, action)}",
        parameters=[ID, OPTIONAL_KEY, REPLAYED, *QUOTA], request=request,
        responses=answers | problems("not_found", *ANY_CHANGE), **more,
    )  # fmt: skip


describe_view(
    "flashsale.outbox.backoffice.endpoints.EndpointViewSet",
    list=extend_schema(
        operation_id="listWebhookEndpoints", summary="Endpoints, newest first", tags=["webhooks"],
        description=needs_scope(EndpointViewSet, "list"),
        parameters=[*query_of(EndpointViewSet, "list"), *QUOTA],
        responses=page_of(EndpointOut, "WebhookEndpoints", "A page of endpoints", ENDPOINT)
        | problems(*ANY_BACKOFFICE_REQUEST),
    ),
    create=extend_schema(
        operation_id="createWebhookEndpoint", summary="Register an endpoint", tags=["webhooks"],
        description="It gets what happens from now on; `replay` sends it what happened before. There are at most"
        f" {MAX_ENDPOINTS}. {needs_scope(EndpointViewSet, 'create')}",
        parameters=[OPTIONAL_KEY, REPLAYED, LOCATION, *QUOTA],
        request={"application/json": NEW_ENDPOINT},
        examples=[examples.of_request({"url": URL, "types": ["order.paid", "refund.done"]})],
        responses=success(EndpointWithSecretOut, "The endpoint with its secret", SECRET, status=201)
        | problems("too_many_endpoints", *ANY_CHANGE),
    ),
    retrieve=extend_schema(
        operation_id="getWebhookEndpoint", summary="An endpoint", tags=["webhooks"],
        description=needs_scope(EndpointViewSet, "retrieve"), parameters=[ID, *QUOTA],
        responses=success(EndpointOut, "The endpoint", ENDPOINT) | problems("not_found", *ANY_BACKOFFICE_REQUEST),
    ),
    partial_update=extend_schema(
        operation_id="changeWebhookEndpoint", summary="Change an endpoint", tags=["webhooks"],
        description="What it did not take yet is sent to a new URL. New types count for what happens from now on."
        f" {needs_scope(EndpointViewSet, 'partial_update')}",
        parameters=[ID, *QUOTA], request={"application/json": CHANGES},
        examples=[examples.of_request({"types": []})],
        responses=success(EndpointOut, "The endpoint", ENDPOINT)
        | problems(
            "not_found", "payload_too_large", "unsupported_media_type", "outcome_unknown", *ANY_BACKOFFICE_REQUEST
        ),
    ),
    destroy=extend_schema(
        operation_id="deleteWebhookEndpoint", summary="Delete an endpoint", tags=["webhooks"],
        description=f"With all that waits for it. {needs_scope(EndpointViewSet, 'destroy')}",
        parameters=[ID, *QUOTA], request=None,
        responses={204: None} | problems("not_found", "outcome_unknown", *ANY_BACKOFFICE_REQUEST),
    ),
    rotate_secret=_verb(
        "rotateWebhookSecret", "Give an endpoint a new secret", "rotate_secret",
        f"For {ROTATION_HOURS} hours messages are signed with both secrets.",
        answers=success(EndpointWithSecretOut, "The endpoint with its new secret", SECRET),
    ),
    test=_verb(
        "testWebhookEndpoint", "Send a test", "test",
        "A signed message of the type `webhook.test` is sent at once, whatever the endpoint's status, and not again. It"
        " is no event. Its delivery in the list says what was answered.",
        answers=success(DeliveryOut, "The test is going to be sent", TEST, status=202),
    ),
    enable=_verb(
        "enableWebhookEndpoint", "Enable an endpoint", "enable",
        "What it missed is sent now; one that was failing starts afresh.",
        answers=success(EndpointOut, "The endpoint", ENDPOINT),
    ),
    disable=_verb(
        "disableWebhookEndpoint", "Disable an endpoint", "disable",
        "Nothing is sent to it until it is enabled; what happens meanwhile waits for 30 days.",
        answers=success(
            EndpointOut, "The endpoint", ENDPOINT | {"status": "disabled", "disabled_reason": "requested"}
        ),
    ),
    replay=_verb(
        "replayEvents", "Send events again", "replay",
        "Events of the feed are sent again, with the same ids, also those that the endpoint took; at most"
        f" {MAX_REPLAYED:,} with one request.",
        request={"application/json": REPLAY}, examples=[examples.of_request({"after": 1200, "until": 1234})],
        answers=success(
            ReplayOut, "What is sent again", {"count": 34, "through": 1234, "has_more": False}, status=202
        ),
    ),
)  # fmt: skip
describe_view(
    "flashsale.outbox.backoffice.deliveries.DeliveryViewSet",
    list=extend_schema(
        operation_id="listWebhookDeliveries", summary="Deliveries to an endpoint, newest first", tags=["webhooks"],
        description=f"They are kept as long as their events. {needs_scope(DeliveryViewSet, 'list')}",
        parameters=[ID, *query_of(DeliveryViewSet, "list"), *QUOTA],
        responses=page_of(DeliveryOut, "WebhookDeliveries", "A page of deliveries", DELIVERY)
        | problems("not_found", *ANY_BACKOFFICE_REQUEST),
    ),
    retry=extend_schema(
        operation_id="retryWebhookDelivery", summary="Send a delivery again", tags=["webhooks"],
        description="At once, with the same id, and as often as a new one; while the endpoint is disabled it waits."
        f" {needs_scope(DeliveryViewSet, 'retry')}",
        parameters=[ID, DELIVERY_ID, OPTIONAL_KEY, REPLAYED, *QUOTA], request=None,
        responses=success(DeliveryOut, "The delivery is going to be sent", DELIVERY, status=202)
        | problems("not_found", *ANY_CHANGE),
    ),
)  # fmt: skip

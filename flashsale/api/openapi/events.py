"""The description of the feed of events."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_serializer
from rest_framework import serializers

from checkout.serializers import OrderOut
from flashsale.api.openapi import examples
from flashsale.api.openapi.backoffice import QUOTA
from flashsale.api.openapi.operations import describe_view
from flashsale.api.openapi.parts import ANY_BACKOFFICE_REQUEST, needs_scope, problems, query_of, success
from flashsale.core.rest.serializers import ResponseSerializer
from flashsale.outbox import retention
from flashsale.outbox.envelopes import EnvelopeOut
from flashsale.outbox.views import EventViewSet

PAID = examples.completed(OrderOut, examples.ORDER | {"status": "paid", "paid_at": "2026-11-20T12:03:07.398711Z"})
EVENT = {
    "id": "evt_5f0c3a51f2a84c0f9ad3f8a2b7c1d9e4", "type": "order.paid", "timestamp": "2026-11-20T12:03:07.420000Z",
    "sequence": 1234, "data": {**PAID, "previous_status": "pending_payment", "late": False},
}  # fmt: skip
EVENT_ID = OpenApiParameter("id", OpenApiTypes.STR, OpenApiParameter.PATH, description="The event's id: `evt_...`.")


class Event(EnvelopeOut):
    """Something that happened, with the resource as it was then."""

    data = serializers.DictField(
        help_text="The resource as its GET answers, as it was when this happened, and what the type adds:"
        " `previous_status`; `late` of a payment after the order's window."
    )


# It is an object, although the action is a list.
@extend_schema_serializer(many=False)
class PageOfEvents(ResponseSerializer):
    """Events in the order of their numbers."""

    results = Event(many=True)
    next = serializers.IntegerField(help_text="`after` of the next page: keep it once these events are processed.")
    has_more = serializers.BooleanField(help_text="More events wait to be read now.")


describe_view(
    "flashsale.outbox.views.EventViewSet",
    list=extend_schema(
        operation_id="listEvents", summary="The feed of events", tags=["events"],
        description="What happened after a cursor, in the order of the numbers: nothing is skipped, whatever was"
        f" committed late. Events are kept for {retention.EVENTS_KEPT_DAYS} days; a cursor that is older, or newer than"
        f" the newest event, is refused with the cursors that can be read from. {needs_scope(EventViewSet, 'list')}",
        parameters=[*query_of(EventViewSet, "list"), *QUOTA],
        responses=success(PageOfEvents, "A page of events", {"results": [EVENT], "next": 1234, "has_more": False})
        | problems("cursor_expired", *ANY_BACKOFFICE_REQUEST),
    ),
    retrieve=extend_schema(
        operation_id="getEvent", summary="An event", tags=["events"],
        description=needs_scope(EventViewSet, "retrieve"), parameters=[EVENT_ID, *QUOTA],
        responses=success(Event, "An event", EVENT) | problems("not_found", *ANY_BACKOFFICE_REQUEST),
    ),
)  # fmt: skip

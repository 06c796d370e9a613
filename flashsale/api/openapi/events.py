"""The description of the feed of events."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_serializer
from rest_framework import serializers

from flashsale.api.openapi.backoffice import QUOTA
from flashsale.api.openapi.operations import describe_view
from flashsale.api.openapi.parts import ANY_BACKOFFICE_REQUEST, needs_scope, problems, query_of, success
from flashsale.api.openapi.webhooks import Event, example_of
from flashsale.core.rest.serializers import ResponseSerializer
from flashsale.outbox import retention
from flashsale.outbox.kinds import EventType
from flashsale.outbox.views import EventViewSet

EVENT = example_of(EventType.ORDER_PAID)
EVENT_ID = OpenApiParameter("id", OpenApiTypes.STR, OpenApiParameter.PATH, description="The event's id: `evt_...`.")


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

"""Descriptions of the operations on queues."""

from drf_spectacular.utils import extend_schema, extend_schema_serializer

from checkout.waiting_room.serializers import JoinedOut, QueueOut
from flashsale.api.openapi import examples
from flashsale.api.openapi.bodies import JOIN_QUEUE
from flashsale.api.openapi.operations import describe_view
from flashsale.api.openapi.parts import (
    ANY_CLIENT_REQUEST,
    QUEUE_TICKET,
    WITH_A_BODY,
    id_in_path,
    problems,
    rate_limit_headers,
    response_header,
    retry_after_header,
    success,
)

for name, serializer in {"Queue": QueueOut, "Ticket": JoinedOut}.items():
    extend_schema_serializer(component_name=name)(serializer)

describe_view(
    "checkout.waiting_room.views.QueueViewSet",
    retrieve=extend_schema(
        operation_id="getQueue", summary="The queue of a product", tags=["queues"],
        description="How far the queue is served: the same for all clients, and cached for a second. A ticket is"
        " admitted when `serving` has reached its place. Poll it after `poll_in_seconds`.",
        parameters=[
            id_in_path("product", int), response_header("Cache-Control", "`public, max-age=1`.", 200),
            *rate_limit_headers("reads"),
        ],
        responses=success(QueueOut, "The queue", examples.QUEUE)
        | problems("not_found", "throttled", *ANY_CLIENT_REQUEST),
    ),
    create=extend_schema(
        operation_id="joinQueue", summary="Join the queue of a product", tags=["queues"],
        description="Answers a new ticket; with the header `Queue-Ticket` the same one, with its place as far as it is"
        " known. Before the start of the sale it does not matter when a ticket was made: places are drawn at the start."
        " Later tickets follow by time. Nothing about a ticket is stored: its holder keeps it.",
        parameters=[
            id_in_path("product", int), QUEUE_TICKET, *rate_limit_headers("joins")[:2],
            retry_after_header("sale_not_started", "throttled", "busy"),
        ],
        request={"application/json": JOIN_QUEUE}, examples=[examples.of_request(examples.JOIN_QUEUE)],
        responses=success(JoinedOut, "The ticket", examples.TICKET)
        | problems(
            "not_found", "sale_not_started", "sale_ended", "ticket_invalid", "throttled", *WITH_A_BODY,
            *ANY_CLIENT_REQUEST,
        ),
    ),
)  # fmt: skip

"""The description of the back office's operations."""

from drf_spectacular.utils import extend_schema

from checkout.backoffice import NOTE_LENGTH, OrderViewSet
from checkout.serializers import OrderOut
from flashsale.api.openapi import examples
from flashsale.api.openapi.bodies import TEXT
from flashsale.api.openapi.operations import describe_view
from flashsale.api.openapi.parts import (
    ANY_BACKOFFICE_REQUEST,
    ANY_CHANGE,
    REPLAYED,
    REQUIRED_KEY,
    id_in_path,
    needs_scope,
    page_of,
    problems,
    query_of,
    rate_limit_headers,
    success,
)
from flashsale.core.backoffice.views import RATE_SCOPE

QUOTA = rate_limit_headers(RATE_SCOPE)
NOTE = TEXT | {"maxLength": NOTE_LENGTH, "description": "Why; it is kept in the order's history."}
CANCEL_ORDER = {
    "type": "object", "properties": {"note": NOTE}, "required": ["note"], "additionalProperties": False,
}  # fmt: skip

describe_view(
    "checkout.backoffice.OrderViewSet",
    list=extend_schema(
        operation_id="listOrders", summary="Orders, newest first", tags=["orders"],
        description=needs_scope(OrderViewSet, "list"),
        parameters=[*query_of(OrderViewSet, "list"), *QUOTA],
        responses=page_of(OrderOut, "Orders", "A page of orders", examples.ORDER) | problems(*ANY_BACKOFFICE_REQUEST),
    ),
    cancel=extend_schema(
        operation_id="cancelOrderOfBuyer", summary="Cancel an order", tags=["orders"],
        description=f"Gives the units back. {needs_scope(OrderViewSet, 'cancel')}",
        parameters=[id_in_path("order"), REQUIRED_KEY, REPLAYED, *QUOTA],
        request={"application/json": CANCEL_ORDER}, examples=[examples.of_request({"note": "Asked by mail"})],
        responses=success(OrderOut, "The cancelled order", examples.CANCELLED)
        | problems("not_found", "order_already_paid", "order_not_pending", *ANY_CHANGE),
    ),
)  # fmt: skip

"""The description of every operation, kept here so that the views contain no documentation code."""

import functools
from collections.abc import Callable
from typing import Any

from drf_spectacular.extensions import OpenApiViewExtension
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_serializer

from catalog.serializers import ProductOut
from checkout.serializers import HoldOut, OrderOut, PaymentOfOrderOut
from flashsale.api.openapi import examples
from flashsale.api.openapi.bodies import PLACE_HOLD, PLACE_ORDER, START_PAYMENT
from flashsale.api.openapi.parts import (
    ANY_CLIENT_REQUEST,
    ANY_REQUEST,
    CACHE_HEADERS,
    CREATED_HEADERS,
    IDEMPOTENCY_KEY,
    IF_NONE_MATCH,
    NOT_MODIFIED,
    QUEUE_TICKET,
    WITH_A_BODY,
    id_in_path,
    problems,
    rate_limit_headers,
    request_parameter,
    response_header,
    retry_after_header,
    success,
)
from payments.providers import PROVIDERS
from payments.serializers import OrderPaymentOut, PaymentOut, ReceiptOut

NAMES = {
    "Product": ProductOut, "Hold": HoldOut, "Order": OrderOut, "PaymentOfOrder": PaymentOfOrderOut,
    "OrderPayment": OrderPaymentOut, "Payment": PaymentOut, "Receipt": ReceiptOut,
}  # fmt: skip
for name, serializer in NAMES.items():
    extend_schema_serializer(component_name=name)(serializer)


def describe_view(target: str, **operations: Callable) -> None:
    """Describe the operations of the view at a dotted path: method names and drf-spectacular decorators."""

    def view_replacement(self: OpenApiViewExtension) -> type:
        view = self.target_class
        described = {name: describe(_copy_of(getattr(view, name))) for name, describe in operations.items()}
        return type(view.__name__, (view,), described)

    type("Described", (OpenApiViewExtension,), {"target_class": target, "view_replacement": view_replacement})


def _copy_of(method: Callable) -> Callable:
    """Return a copy of a method, so that the decorator does not change the one that answers requests."""

    @functools.wraps(method)
    def copy(*args: Any, **kwargs: Any) -> Any:
        return method(*args, **kwargs)

    return copy


describe_view(
    "catalog.views.ProductViewSet",
    list=extend_schema(
        operation_id="listProducts", summary="What is on sale", tags=["products"],
        parameters=[
            request_parameter("cursor", "From `next` or `previous`.", OpenApiParameter.QUERY),
            IF_NONE_MATCH, *CACHE_HEADERS, *rate_limit_headers("reads"),
        ],
        responses=success(ProductOut(many=True), "A page of products", examples.PRODUCT) | NOT_MODIFIED
        | problems("invalid", "throttled", *ANY_CLIENT_REQUEST),
    ),
    retrieve=extend_schema(
        operation_id="getProduct", summary="One product", tags=["products"],
        parameters=[id_in_path("product", int), IF_NONE_MATCH, *CACHE_HEADERS, *rate_limit_headers("reads")],
        responses=success(ProductOut, "The product", examples.PRODUCT) | NOT_MODIFIED
        | problems("not_found", "throttled", *ANY_CLIENT_REQUEST),
    ),
)  # fmt: skip
describe_view(
    "checkout.views.HoldViewSet",
    create=extend_schema(
        operation_id="placeHold", summary="Set units aside", tags=["holds"],
        description="Sets units of a product aside for one buyer. It is refused for the first of: unknown product, not"
        " started, ended, paused, no admitted ticket (where the product has a `queue`), over `max_per_hold`, over"
        " `max_per_customer`, too few units.",
        parameters=[
            IDEMPOTENCY_KEY, QUEUE_TICKET, *CREATED_HEADERS, *rate_limit_headers("holds")[:2],
            retry_after_header("sale_not_started", "throttled", "busy"),
        ],
        request={"application/json": PLACE_HOLD}, examples=[examples.of_request(examples.PLACE_HOLD)],
        responses=success(HoldOut, "The hold", examples.HOLD, status=201)
        | problems(
            "not_found", "sale_not_started", "sale_ended", "sale_paused", "ticket_invalid", "not_admitted",
            "admission_expired", "ticket_used", "limit_exceeded", "insufficient_stock",
            "idempotency_key_reused", "outcome_unknown", "throttled", *WITH_A_BODY, *ANY_CLIENT_REQUEST,
        ),
    ),
    retrieve=extend_schema(
        operation_id="getHold", summary="A hold", tags=["holds"],
        parameters=[id_in_path("hold"), *rate_limit_headers("reads")],
        responses=success(HoldOut, "The hold", examples.HOLD) | problems("not_found", "throttled", *ANY_CLIENT_REQUEST),
    ),
    destroy=extend_schema(
        operation_id="releaseHold", summary="Release a hold", tags=["holds"],
        description="Gives the units back. A hold that ended without an order stays as it is, with the same answer.",
        parameters=[id_in_path("hold"), *rate_limit_headers("changes")],
        responses={204: OpenApiResponse(None, description="It is released.")}
        | problems("not_found", "hold_already_used", "outcome_unknown", "throttled", *ANY_CLIENT_REQUEST),
    ),
)  # fmt: skip
describe_view(
    "checkout.views.OrderViewSet",
    create=extend_schema(
        operation_id="placeOrder", summary="Turn a hold into an order", tags=["orders"],
        description="The buyer wants to pay. A payment event that came before is applied at once, so that the order may"
        " already be `paid` or `cancelled`.",
        parameters=[IDEMPOTENCY_KEY, *CREATED_HEADERS, *rate_limit_headers("changes")],
        request={"application/json": PLACE_ORDER}, examples=[examples.of_request(examples.PLACE_ORDER)],
        responses=success(OrderOut, "The order", examples.ORDER, status=201)
        | problems(
            "not_found", "hold_expired", "hold_already_used", "hold_released", "payment_id_in_use",
            "idempotency_key_reused", "outcome_unknown", "throttled", *WITH_A_BODY, *ANY_CLIENT_REQUEST,
        ),
    ),
    retrieve=extend_schema(
        operation_id="getOrder", summary="An order", tags=["orders"],
        description="Poll it after paying, once a second or less often; this is not rate limited, except for"
        " addresses that send wrong tokens.",
        parameters=[id_in_path("order"), retry_after_header("throttled", "busy")],
        responses=success(OrderOut, "The order", examples.ORDER)
        | problems("not_found", "throttled", *ANY_CLIENT_REQUEST),
    ),
    cancel=extend_schema(
        operation_id="cancelOrder", summary="Cancel an order", tags=["orders"], request=None,
        description="Gives the units back. A cancelled order stays cancelled, and the answer is the same.",
        parameters=[id_in_path("order"), *rate_limit_headers("changes")],
        responses=success(OrderOut, "The cancelled order", examples.CANCELLED)
        | problems(
            "not_found", "order_already_paid", "order_not_pending", "outcome_unknown", "throttled", *ANY_CLIENT_REQUEST,
        ),
    ),
)  # fmt: skip


describe_view(
    "payments.views.OrderPaymentViewSet",
    create=extend_schema(
        operation_id="payOrder", summary="Make the payment of an order", tags=["orders"],
        description="The shop makes the payment at its provider, for the order's amount, and answers with what the"
        " buyer pays with. Repeated, it answers the same payment; `creating` means that the provider has not answered"
        " yet: ask again.",
        parameters=[
            id_in_path("order"), *rate_limit_headers("changes"),
            response_header("Retry-After", "Seconds after which to ask again.", 202),
        ],
        request={"application/json": START_PAYMENT}, examples=[examples.of_request({})],
        responses=success(OrderPaymentOut, "It can be paid, for the first time", examples.PAYMENT, status=201)
        | success(OrderPaymentOut, "The same payment", examples.PAYMENT)
        | success(OrderPaymentOut, "It is being made", examples.PAYMENT_CREATING, status=202)
        | problems(
            "not_found", "order_already_paid", "order_not_pending", "payment_closed", "payment_not_possible",
            "payment_provider_unavailable", "outcome_unknown", "throttled", *WITH_A_BODY, *ANY_CLIENT_REQUEST,
        ),
    ),
    check=extend_schema(
        operation_id="checkPayment", summary="Ask the provider about an order's payment", tags=["orders"], request=None,
        description="For the page to which a buyer returns from paying. The provider is asked at most once in 5 seconds"
        " for an order.",
        parameters=[id_in_path("order"), *rate_limit_headers("changes")],
        responses=success(OrderOut, "The order as it is known", examples.ORDER)
        | problems("not_found", "outcome_unknown", "throttled", *ANY_CLIENT_REQUEST),
    ),
)  # fmt: skip


# One view receives the events of all providers; the document tells them apart (`document.finish_document`).
SIGNATURES = [
    request_parameter(name, description)
    for provider in PROVIDERS.values()
    for name, description in provider.signature_headers.items()
]
describe_view(
    "payments.views.WebhookView",
    post=extend_schema(
        tags=["payment webhooks"], auth=[],
        description="An event of a payment provider: committed before it is processed.",
        parameters=[
            *SIGNATURES, response_header("Idempotent-Replayed", "`true`: stored before.", 200, 202),
            retry_after_header("throttled", "busy"),
        ],
        request={"application/json": {"type": "object"}},
        responses=success(ReceiptOut, "Applied, ignored, or for staff to look at", examples.RECEIPT)
        | success(ReceiptOut, "Stored, not finished yet", examples.PARKED_RECEIPT, status=202)
        | problems("signature_invalid", "throttled", *WITH_A_BODY, *ANY_REQUEST),
    ),
)  # fmt: skip

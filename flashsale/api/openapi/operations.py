"""Every operation, described from outside, so that the apps stay free of documentation plumbing."""

import functools
from collections.abc import Callable
from typing import Any

from drf_spectacular.extensions import OpenApiViewExtension
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_serializer

from catalog.serializers import ProductOut
from checkout.serializers import HoldOut, OrderOut
from flashsale.api.openapi import examples
from flashsale.api.openapi.bodies import PLACE_HOLD, PLACE_ORDER
from flashsale.api.openapi.parts import (
    ANYWHERE,
    CACHED,
    CONDITION,
    FROM_CLIENTS,
    IDEMPOTENCY_KEY,
    MADE,
    NOT_MODIFIED,
    WITH_A_BODY,
    an_id,
    asked,
    header,
    of_a_scope,
    ok,
    problems,
    retry_after,
)
from payments.providers import PROVIDERS
from payments.serializers import ReceiptOut

for name, serializer in {"Product": ProductOut, "Hold": HoldOut, "Order": OrderOut, "Receipt": ReceiptOut}.items():
    extend_schema_serializer(component_name=name)(serializer)


def documented(target: str, **operations: Callable) -> None:
    """Describe the operations of a view, named by its path, from outside."""

    def view_replacement(self: OpenApiViewExtension) -> type:
        view = self.target_class
        described = {name: describe(_copy_of(getattr(view, name))) for name, describe in operations.items()}
        return type(view.__name__, (view,), described)

    type("Described", (OpenApiViewExtension,), {"target_class": target, "view_replacement": view_replacement})


def _copy_of(method: Callable) -> Callable:
    """Return a method that can be described without touching the one that answers requests."""

    @functools.wraps(method)
    def copy(*args: Any, **kwargs: Any) -> Any:
        return method(*args, **kwargs)

    return copy


documented(
    "catalog.views.ProductViewSet",
    list=extend_schema(
        operation_id="listProducts", summary="What is on sale", tags=["products"],
        parameters=[
            asked("cursor", "From `next` or `previous`.", OpenApiParameter.QUERY),
            CONDITION, *CACHED, *of_a_scope("reads"),
        ],
        responses=ok(ProductOut(many=True), "A page of products", examples.PRODUCT) | NOT_MODIFIED
        | problems("invalid", "throttled", *FROM_CLIENTS),
    ),
    retrieve=extend_schema(
        operation_id="getProduct", summary="One product", tags=["products"],
        parameters=[an_id("product", int), CONDITION, *CACHED, *of_a_scope("reads")],
        responses=ok(ProductOut, "The product", examples.PRODUCT) | NOT_MODIFIED
        | problems("not_found", "throttled", *FROM_CLIENTS),
    ),
)  # fmt: skip
documented(
    "checkout.views.HoldViewSet",
    create=extend_schema(
        operation_id="placeHold", summary="Set units aside", tags=["holds"],
        description="Sets units of a product aside for one buyer. It is refused for the first of: unknown product, not"
        " started, ended, paused, over `max_per_hold`, over `max_per_customer`, too few units.",
        parameters=[
            IDEMPOTENCY_KEY, *MADE, *of_a_scope("holds")[:2], retry_after("sale_not_started", "throttled", "busy"),
        ],
        request={"application/json": PLACE_HOLD}, examples=[examples.of_request(examples.PLACE_HOLD)],
        responses=ok(HoldOut, "The hold", examples.HOLD, status=201)
        | problems(
            "not_found", "sale_not_started", "sale_ended", "sale_paused", "limit_exceeded", "insufficient_stock",
            "idempotency_key_reused", "outcome_unknown", "throttled", *WITH_A_BODY, *FROM_CLIENTS,
        ),
    ),
    retrieve=extend_schema(
        operation_id="getHold", summary="A hold", tags=["holds"], parameters=[an_id("hold"), *of_a_scope("reads")],
        responses=ok(HoldOut, "The hold", examples.HOLD) | problems("not_found", "throttled", *FROM_CLIENTS),
    ),
    destroy=extend_schema(
        operation_id="releaseHold", summary="Give a hold up", tags=["holds"],
        description="Gives the units back. One that ended without an order stays as it is, with the same answer.",
        parameters=[an_id("hold"), *of_a_scope("changes")],
        responses={204: OpenApiResponse(None, description="It is given up.")}
        | problems("not_found", "hold_already_used", "outcome_unknown", "throttled", *FROM_CLIENTS),
    ),
)  # fmt: skip
documented(
    "checkout.views.OrderViewSet",
    create=extend_schema(
        operation_id="placeOrder", summary="Turn a hold into an order", tags=["orders"],
        description="The buyer wants to pay. A payment event that came before is applied at once, so that the order may"
        " already be `paid` or `cancelled`.",
        parameters=[IDEMPOTENCY_KEY, *MADE, *of_a_scope("changes")],
        request={"application/json": PLACE_ORDER}, examples=[examples.of_request(examples.PLACE_ORDER)],
        responses=ok(OrderOut, "The order", examples.ORDER, status=201)
        | problems(
            "not_found", "hold_expired", "hold_already_used", "hold_released", "payment_id_in_use",
            "idempotency_key_reused", "outcome_unknown", "throttled", *WITH_A_BODY, *FROM_CLIENTS,
        ),
    ),
    retrieve=extend_schema(
        operation_id="getOrder", summary="An order", tags=["orders"],
        description="Poll it after paying, once a second or less often; this is not rate limited, except for"
        " addresses that send wrong tokens.",
        parameters=[an_id("order"), retry_after("throttled", "busy")],
        responses=ok(OrderOut, "The order", examples.ORDER) | problems("not_found", "throttled", *FROM_CLIENTS),
    ),
    cancel=extend_schema(
        operation_id="cancelOrder", summary="Cancel an order", tags=["orders"], request=None,
        description="Gives the units back. A cancelled order stays cancelled, and the answer is the same.",
        parameters=[an_id("order"), *of_a_scope("changes")],
        responses=ok(OrderOut, "The cancelled order", examples.CANCELLED)
        | problems(
            "not_found", "order_already_paid", "order_not_pending", "outcome_unknown", "throttled", *FROM_CLIENTS,
        ),
    ),
)  # fmt: skip


# One view receives the events of all providers; the document tells them apart (`document.finished`).
SIGNATURES = [
    asked(name, description)
    for provider in PROVIDERS.values()
    for name, description in provider.signature_headers.items()
]
documented(
    "payments.views.WebhookView",
    post=extend_schema(
        tags=["payment webhooks"], auth=[],
        description="An event of a payment provider: committed before it is processed.",
        parameters=[
            *SIGNATURES, header("Idempotent-Replayed", "`true`: stored before.", 200, 202),
            retry_after("throttled", "busy"),
        ],
        request={"application/json": {"type": "object"}},
        responses=ok(ReceiptOut, "Applied, ignored, or for staff to look at", examples.RECEIPT)
        | ok(ReceiptOut, "Stored, not finished yet", examples.PARKED_RECEIPT, status=202)
        | problems("signature_invalid", "throttled", *WITH_A_BODY, *ANYWHERE),
    ),
)  # fmt: skip

"""The description of the back office's operations on products, their stock and their statistics."""

from collections.abc import Callable

from drf_spectacular.utils import extend_schema, extend_schema_serializer

from catalog.backoffice import ProductViewSet, StockAdjustmentViewSet
from catalog.serializers import BackofficeProductOut, StockAdjustmentOut
from checkout.backoffice import StatisticsViewSet
from checkout.serializers import CountsOut, PointOut, RevenueOut, StatisticsOut
from flashsale.api.openapi import examples
from flashsale.api.openapi.bodies import NEW_PRODUCT, NOTE, PRODUCT_CHANGES, STOCK_ADJUSTMENT
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
    request_parameter,
    response_header,
    success,
)
from flashsale.core.backoffice.views import RATE_SCOPE

NAMES = {
    "BackofficeProduct": BackofficeProductOut, "StockAdjustment": StockAdjustmentOut, "Statistics": StatisticsOut,
    "StatisticsCounts": CountsOut, "StatisticsPoint": PointOut, "Revenue": RevenueOut,
}  # fmt: skip
for name, serializer in NAMES.items():
    extend_schema_serializer(component_name=name)(serializer)

QUOTA = rate_limit_headers(RATE_SCOPE)
ID = id_in_path("product", int)
VERSION = response_header(
    "ETag",
    "The version of the members that can be edited; stock, publishing and pausing do not change it. For `If-Match`.",
    200, 201,
)  # fmt: skip
LOCATION = response_header("Location", "The path of the new product.", 201)
IF_MATCH = request_parameter(
    "If-Match",
    "The `ETag` of the answer that you change, or several; `*`: whatever is there now. Weak tags never match.",
    required=True,
)
EXAMPLE = examples.BACKOFFICE_PRODUCT


def _change(operation_id: str, summary: str, action: str, effect: str) -> Callable:
    """Describe a change of the state of a product."""
    return extend_schema(
        operation_id=operation_id, summary=summary, tags=["products"],
        description=f"{effect} A product that is so already stays as it is, with the same answer."
        f" {needs_scope(ProductViewSet, action)}",
        parameters=[ID, REQUIRED_KEY, REPLAYED, VERSION, *QUOTA],
        request={"application/json": NOTE}, examples=[examples.of_request({"note": "As planned"})],
        responses=success(BackofficeProductOut, "The product", EXAMPLE) | problems("not_found", *ANY_CHANGE),
    )  # fmt: skip


describe_view(
    "catalog.backoffice.ProductViewSet",
    list=extend_schema(
        operation_id="listAllProducts", summary="Products, newest first", tags=["products"],
        description=f"All of them, published or not. {needs_scope(ProductViewSet, 'list')}",
        parameters=[*query_of(ProductViewSet, "list"), *QUOTA],
        responses=page_of(BackofficeProductOut, "Products", "A page of products", EXAMPLE)
        | problems(*ANY_BACKOFFICE_REQUEST),
    ),
    create=extend_schema(
        operation_id="addProduct", summary="Add a product", tags=["products"],
        description=f"Customers do not see it until it is published. {needs_scope(ProductViewSet, 'create')}",
        parameters=[REQUIRED_KEY, REPLAYED, VERSION, LOCATION, *QUOTA],
        request={"application/json": NEW_PRODUCT}, examples=[examples.of_request(examples.NEW_PRODUCT)],
        responses=success(BackofficeProductOut, "The product", EXAMPLE, status=201) | problems(*ANY_CHANGE),
    ),
    retrieve=extend_schema(
        operation_id="getAnyProduct", summary="One product, published or not", tags=["products"],
        description=needs_scope(ProductViewSet, "retrieve"), parameters=[ID, VERSION, *QUOTA],
        responses=success(BackofficeProductOut, "The product", EXAMPLE)
        | problems("not_found", *ANY_BACKOFFICE_REQUEST),
    ),
    partial_update=extend_schema(
        operation_id="editProduct", summary="Edit a product", tags=["products"],
        description="Changes the members that it names, unless the product was changed since it was read."
        f" {needs_scope(ProductViewSet, 'partial_update')}",
        parameters=[ID, IF_MATCH, VERSION, *QUOTA],
        request={"application/json": PRODUCT_CHANGES}, examples=[examples.of_request(examples.CHANGED_PRODUCT)],
        responses=success(BackofficeProductOut, "The product", EXAMPLE)
        | problems(
            "not_found", "precondition_failed", "precondition_required", "payload_too_large", "unsupported_media_type",
            "outcome_unknown", *ANY_BACKOFFICE_REQUEST,
        ),
    ),
    publish=_change("publishProduct", "Publish a product", "publish", "Customers see it."),
    withdraw=_change("withdrawProduct", "Withdraw a product", "withdraw", "Customers do not see it any more."),
    pause=_change("pauseProduct", "Pause a sale", "pause", "New holds are refused; holds and orders stay as they are."),
    resume=_change("resumeProduct", "Resume a sale", "resume", "New holds are accepted again."),
)  # fmt: skip
describe_view(
    "catalog.backoffice.StockAdjustmentViewSet",
    create=extend_schema(
        operation_id="adjustStock", summary="Change a product's total", tags=["products"],
        description="Units of overdue holds and orders are taken back first where they are in the way."
        f" {needs_scope(StockAdjustmentViewSet, 'create')}",
        parameters=[ID, REQUIRED_KEY, REPLAYED, *QUOTA],
        request={"application/json": STOCK_ADJUSTMENT}, examples=[examples.of_request(examples.NEW_ADJUSTMENT)],
        responses=success(StockAdjustmentOut, "The adjustment", examples.ADJUSTMENT, status=201)
        | problems("not_found", "stock_below_commitments", "stock_changed", *ANY_CHANGE),
    ),
)  # fmt: skip
describe_view(
    "checkout.backoffice.StatisticsViewSet",
    retrieve=extend_schema(
        operation_id="getStatistics", summary="What happened in a product's sale", tags=["statistics"],
        description="Holds and orders count at the time when they were made, with what became of them until now: all"
        f" figures of a period add up. {needs_scope(StatisticsViewSet, 'retrieve')}",
        parameters=[ID, *query_of(StatisticsViewSet, "retrieve"), *QUOTA],
        responses=success(StatisticsOut, "The statistics", examples.STATISTICS)
        | problems("not_found", *ANY_BACKOFFICE_REQUEST),
    ),
)  # fmt: skip

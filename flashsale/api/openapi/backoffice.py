"""The description of the back office's operations."""

from drf_spectacular.utils import extend_schema, extend_schema_serializer

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
from flashsale.core.limits import MAX_ID, MAX_INTEGER
from flashsale.core.rest.fields import MONEY
from payments import backoffice as payments
from payments.backoffice.serializers import HistoryEntryOut, OrderInFullOut, ProviderEventOut
from payments.serializers import RecordedPaymentOut, RefundAttemptOut, RefundRequestOut

NAMES = {
    "RecordedPayment": RecordedPaymentOut, "RefundRequest": RefundRequestOut, "RefundAttempt": RefundAttemptOut,
    "OrderInFull": OrderInFullOut, "ProviderEvent": ProviderEventOut, "HistoryEntry": HistoryEntryOut,
}  # fmt: skip
for name, serializer in NAMES.items():
    extend_schema_serializer(component_name=name)(serializer)

QUOTA = rate_limit_headers(RATE_SCOPE)
NOTE = TEXT | {"maxLength": NOTE_LENGTH, "description": "Why; it is kept in the order's history."}
CANCEL_ORDER = {
    "type": "object", "properties": {"note": NOTE}, "required": ["note"], "additionalProperties": False,
}  # fmt: skip
AMOUNT = MONEY | {"description": "By default all that is left of the payment; 0 to put units back only."}
REFUND_ORDER = {
    "type": "object",
    "properties": {
        "amount": AMOUNT | {"pattern": r"^[0-9]{1,21}(\.[0-9]{1,3})?$"},
        "restock_units": {
            "type": "integer", "minimum": 0, "maximum": MAX_INTEGER, "default": 0,
            "description": "Units of the order to put back on sale.",
        },
        "payment": {
            "type": "integer", "minimum": 1, "maximum": MAX_ID,
            "description": "The payment's id; by default that of the one that bought the order.",
        },
        "note": NOTE,
    },
    "required": ["note"],
    "additionalProperties": False,
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
describe_view(
    "payments.backoffice.views.OrderViewSet",
    retrieve=extend_schema(
        operation_id="getOrderInFull", summary="An order with its money and history", tags=["orders"],
        description=needs_scope(payments.OrderViewSet, "retrieve"),
        parameters=[id_in_path("order"), *QUOTA],
        responses=success(OrderInFullOut, "The order", examples.ORDER_IN_FULL)
        | problems("not_found", *ANY_BACKOFFICE_REQUEST),
    ),
    refund=extend_schema(
        operation_id="refundOrder", summary="Refund an order, in whole or in part", tags=["orders"],
        description="The money becomes due. It is given back through the payment's provider where the shop can, else"
        " until a `refunded` event comes or staff record it. The order stays paid, and its units stay sold unless"
        f" `restock_units` are put back. {needs_scope(payments.OrderViewSet, 'refund')}",
        parameters=[id_in_path("order"), REQUIRED_KEY, REPLAYED, *QUOTA],
        request={"application/json": REFUND_ORDER},
        examples=[examples.of_request({"amount": "20.00", "note": "Arrived late"})],
        responses=success(RecordedPaymentOut, "The refund is due", examples.PAYMENT_WITH_REFUND, status=202)
        | problems(
            "not_found", "order_not_paid", "restock_too_large", "refund_too_large", "nothing_to_refund",
            "refund_changed", *ANY_CHANGE,
        ),
    ),
)  # fmt: skip
describe_view(
    "payments.backoffice.views.PaymentViewSet",
    list=extend_schema(
        operation_id="listPayments", summary="Payments, newest first", tags=["payments"],
        description=needs_scope(payments.PaymentViewSet, "list"),
        parameters=[*query_of(payments.PaymentViewSet, "list"), *QUOTA],
        responses=page_of(RecordedPaymentOut, "Payments", "A page of payments", examples.RECORDED_PAYMENT)
        | problems(*ANY_BACKOFFICE_REQUEST),
    ),
    retrieve=extend_schema(
        operation_id="getPayment", summary="A payment", tags=["payments"],
        description=needs_scope(payments.PaymentViewSet, "retrieve"),
        parameters=[id_in_path("payment", int), *QUOTA],
        responses=success(RecordedPaymentOut, "The payment", examples.RECORDED_PAYMENT)
        | problems("not_found", *ANY_BACKOFFICE_REQUEST),
    ),
)  # fmt: skip

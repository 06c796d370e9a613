"""The examples in the OpenAPI document: one sale from hold to payment, with the same ids throughout.

A member without an example here gets one by its field's type (`completed`).
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import OpenApiExample
from rest_framework import serializers

from checkout.waiting_room import places
from flashsale.api.problem_rows import Problem

HOLD_ID = "3449d7ac-f15f-4ad7-bac0-10c04740f35a"
ORDER_ID = "f38776b2-ed4a-4592-a048-04ac10132827"
PLACED_AT, EXPIRES_AT = "2026-11-20T12:00:00.000000Z", "2026-11-20T12:02:00.000000Z"
PAY_UNTIL = "2026-11-20T12:14:45.000000Z"
ORDERED_AT, DUE_AT = "2026-11-20T12:00:30.000000Z", "2026-11-20T12:15:30.000000Z"

PRODUCT = {
    "id": 1, "name": "Flash Sale Widget", "description": "The one everybody wants.", "price": "29.99",
    "currency": "USD", "total_stock": 100, "available_stock": 87, "is_sold_out": False, "sale_status": "live",
    "max_per_hold": 10, "sku": "WIDGET-1", "image_url": "https://images.example.com/widget.jpg",
    "queue": "off", "updated_at": "2026-11-20T11:00:00.000000Z",
}  # fmt: skip
NEW_PRODUCT = {"name": "Flash Sale Widget", "price": "29.99", "currency": "USD", "stock": 100, "max_per_customer": 2}
CHANGED_PRODUCT = {"price": "24.99", "sale_ends_at": "2026-11-20T14:00:00Z"}
BACKOFFICE_PRODUCT = PRODUCT | {
    "is_published": True, "reserved": 8, "sold": 5, "created_at": "2026-11-20T10:00:00.000000Z",
}  # fmt: skip
NEW_ADJUSTMENT = {"delta": 20, "reason": "Delivery 4711", "expected_total": 100}
ADJUSTMENT = {
    "id": 3, "product_id": 1, "delta": 20, "reason": "Delivery 4711", "total_before": 100, "total_after": 120,
    "available_stock": 107, "reserved": 8, "sold": 5, "made_by": "API token ERP", "made_at": PLACED_AT,
}  # fmt: skip
COUNTS = {
    "placed": 120, "holds_released": 4, "holds_expired": 16,
    "refused": {"insufficient_stock": 3_051, "limit_exceeded": 7}, "ordered": 100,
    "paid": 93, "cancelled": 2, "expired": 5, "units_sold": 97,
    "revenue": [{"amount": "2909.03", "refunded": "29.99", "currency": "USD"}],
}  # fmt: skip
STATISTICS = {
    "product_id": 1, "from": PLACED_AT, "to": "2026-11-20T12:01:00.000000Z", "step_seconds": 60,
    "time_to_sell_out_seconds": 8.412, "totals": COUNTS, "series": [{**COUNTS, "at": PLACED_AT}],
}  # fmt: skip
PLACE_HOLD = {"product_id": 1, "quantity": 2}
HOLD = {
    "hold_id": HOLD_ID, "product_id": 1, "quantity": 2, "status": "active", "expires_at": EXPIRES_AT,
    "expires_in_seconds": 120, "customer_id": None, "created_at": PLACED_AT,
}  # fmt: skip
# The ticket is drawn with the seed: docs/waiting-room.md checks it.
SEED = "6c1f0a2f3f6d7c0f5a3b9e8d4c2b1a09f8e7d6c5b4a392817060504030201000"
QUEUE = {
    "state": "serving", "serving": 0.734211, "rate": 0.0025, "seed_hash": hashlib.sha256(SEED.encode()).hexdigest(),
    "seed": SEED, "available": 87, "may_return": True, "server_time": PLACED_AT, "poll_in_seconds": 2.1,
}  # fmt: skip
TICKET_ID = "9d2f0e5c6f6b4a53b0a1c5b8f2f7d3e4"
TICKET = {
    "ticket": f"q1.1.{TICKET_ID}.1795174500000000..1oT3b0f7m8b1w0p6x2J0Z3F5g6H7k8L9a0B1c2D3e4F",
    "place": places.drawn_place(SEED, TICKET_ID), "minted_at": "2026-11-20T11:35:00.000000Z",
}  # fmt: skip
JOIN_QUEUE = {"customer_id": "customer-77"}
METADATA = {"cart": "C-1042"}
PLACE_ORDER = {"hold_id": HOLD_ID, "metadata": METADATA}
ORDER = {
    "order_id": ORDER_ID, "hold_id": HOLD_ID, "product_id": 1, "quantity": 2, "unit_price": "29.99",
    "total_amount": "59.98", "currency": "USD", "status": "pending_payment", "payment_due_at": DUE_AT, "refund": None,
    "refunded_amount": "0.00", "customer_id": None, "metadata": METADATA, "payment": None, "created_at": ORDERED_AT,
}  # fmt: skip
PAYMENT = {
    "order_id": ORDER_ID,
    "payment": {
        "provider": "stripe", "kind": "payment_intent", "status": "open", "client_secret": "pi_123_secret_456",
        "url": None, "publishable_key": "pk_test_123", "pay_until": PAY_UNTIL, "pay_until_in_seconds": 855,
    },
}  # fmt: skip
PAYMENT_CREATING = PAYMENT | {"payment": PAYMENT["payment"] | {"status": "creating", "client_secret": None}}
CANCELLED = ORDER | {"status": "cancelled"}
EVENT = {
    "idempotency_key": "evt_1", "status": "success", "order_id": ORDER_ID, "payment_id": "pay_123", "amount": "59.98",
    "currency": "USD",
}  # fmt: skip
RECEIPT = {
    "message": "Webhook processed", "outcome": "applied", "idempotency_key": "evt_1", "order_id": ORDER_ID,
    "order_status": "paid", "payment_id": "pay_123",
}  # fmt: skip
PARKED_RECEIPT = RECEIPT | {"message": "Order not found yet", "outcome": "parked", "order_status": None}
REFUND = {
    "id": 1, "amount": "20.00", "restock_units": 0, "by_other_means": False, "requested_by": "API token ERP",
    "note": "Arrived late", "created_at": EXPIRES_AT,
}  # fmt: skip
RECORDED_PAYMENT = {
    "id": 1, "provider": "stripe", "payment_id": "pi_123", "order_id": ORDER_ID, "amount": "59.98", "currency": "USD",
    "status": "applied", "reason": "", "refunded_amount": "0.00", "due_amount": "0.00", "created_at": ORDERED_AT,
    "refunds": [], "refund_attempts": [],
}  # fmt: skip
PAYMENT_WITH_REFUND = RECORDED_PAYMENT | {"due_amount": "20.00", "refunds": [REFUND]}
ORDER_IN_FULL = ORDER | {
    "status": "paid", "paid_at": EXPIRES_AT, "refund": "due",
    "hold": HOLD | {"status": "converted", "order_id": ORDER_ID, "customer_id": None},
    "payments": [PAYMENT_WITH_REFUND],
    "events": [{
        "event_id": "evt_1", "provider": "stripe", "type": "payment_intent.succeeded", "status": "applied",
        "reason": "order_paid", "payment_id": "pi_123", "amount": "59.98", "currency": "USD",
        "received_at": EXPIRES_AT, "processed_at": EXPIRES_AT,
    }],
    "history": [{
        "at": EXPIRES_AT, "by": "API token ERP", "text": "Refund of 20.00 USD requested. Note: Arrived late",
    }],
}  # fmt: skip


BY_TYPE: dict[type[serializers.Field], Any] = {
    serializers.BooleanField: False,
    serializers.CharField: "text",
    serializers.DateTimeField: PLACED_AT,
    serializers.DictField: {},
    serializers.IntegerField: 1,
    serializers.ListField: [],
    serializers.UUIDField: HOLD_ID,
}


def completed(serializer: Any, members: Mapping[str, Any]) -> dict[str, Any]:
    """Return an example with every member of an answer: from `members`, else null where allowed, else by its type.

    `serializer` is a class, or an instance with `many=True`. Raises `KeyError` for a member whose type is not in
    `BY_TYPE` (a `SerializerMethodField`): give it a value above.
    """
    fields = (serializer() if isinstance(serializer, type) else serializer.child).fields
    return {
        name: members[name] if name in members else None if field.allow_null else BY_TYPE[type(field)]
        for name, field in fields.items()
    }


def of_problem(problem: Problem) -> OpenApiExample:
    """Return a problem document with this code."""
    value = {
        "type": f"https://shop.example.com/problems/{problem.code}",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.meaning,
        "code": problem.code,
        "request_id": "7e23aee70c046009e2c0a2fd89007a4d",
    }
    extra = {member.name: member.example for member in problem.members}
    return OpenApiExample(problem.code, value=value | extra, response_only=True)


def of_request(value: dict[str, Any]) -> OpenApiExample:
    """Return an example of a request's body."""
    return OpenApiExample("request", value=value, request_only=True)

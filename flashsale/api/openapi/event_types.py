"""What `data` of each type of event has: the resource, and the members that the type adds."""

from dataclasses import dataclass, field
from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from catalog.products import EDITABLE
from catalog.serializers import ProductInEvent
from checkout.models import Order
from checkout.serializers import OrderOut
from flashsale.api.openapi import examples
from flashsale.core.rest.fields import MONEY
from flashsale.outbox.kinds import EventType
from payments.event_data import PaymentInEvent, ReviewedEventOut
from payments.models import Dispute, Payment, Refund, WebhookEvent

Schema = dict[str, Any]

for name, serializer in {
    "ProductInEvent": ProductInEvent, "PaymentInEvent": PaymentInEvent, "ReviewedEvent": ReviewedEventOut,
}.items():  # fmt: skip
    extend_schema_serializer(component_name=name)(serializer)


@dataclass(frozen=True)
class Data:
    """The resource that a type tells of, as its serializer and an example; and the added members, all always there."""

    resource: type[serializers.Serializer]
    example: dict[str, Any]
    members: dict[str, Schema] = field(default_factory=dict)
    examples: dict[str, Any] = field(default_factory=dict)

    @property
    def whole_example(self) -> dict[str, Any]:
        """An example of all of it."""
        return examples.completed(self.resource, self.example) | self.examples


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": sorted(properties)}


def _text(meaning: str, **more: Any) -> Schema:
    return {"type": "string", "description": meaning, **more}


def _text_or_null(meaning: str, **more: Any) -> Schema:
    return {"type": ["string", "null"], "description": meaning, **more}


def _flag(meaning: str) -> Schema:
    return {"type": "boolean", "description": meaning}


def _before(statuses: list[str], first: str) -> Schema:
    return _text_or_null(f"The `status` before; null: {first}.", enum=[*statuses, None])


_OF_ORDER = {"previous_status": _text("The `status` before.", enum=Order.Status.values)}
_WAS_PENDING = {"previous_status": "pending_payment"}
_OF_PAYMENT = {"previous_status": _before(Payment.Status.values, "it was recorded just now")}
_AMOUNT = MONEY | {"description": "In units of the payment's currency."}
_ADJUSTMENT = {
    "delta": {"type": "integer", "description": "Units that were added; negative: taken away."},
    "reason": _text("Why."),
    "total_before": {"type": "integer", "description": "Units in all before."},
    "total_after": {"type": "integer", "description": "Units in all after."},
}
_DISPUTE = _object(
    dispute_id=_text("The provider's id."),
    status=_text("`won`: the money stays; `lost`: it is gone.", enum=Dispute.Status.values),
    previous_status=_before(Dispute.Status.values, "it is new"),
    amount=MONEY | {"type": ["string", "null"], "description": "Null: unknown."},
    currency=_text("ISO 4217 code; empty: unknown."),
    reason=_text("The provider's word for it; may be empty."),
)
_FAILED_REFUND = _object(
    amount=_AMOUNT,
    refund_id=_text_or_null("The provider's id; null: it has none."),
    status=_text(
        "`refused` before any money moved, or `failed` after the provider had accepted it.",
        enum=[Refund.Status.REFUSED.value, Refund.Status.FAILED.value],
    ),
)

_PAID = {"status": "paid", "paid_at": "2026-11-20T12:03:07.398711Z", "payment_id": "pi_123"}
_PAYMENT = {
    "id": 1, "provider": "stripe", "payment_id": "pi_123", "order_id": examples.ORDER_ID, "amount": "59.98",
    "currency": "USD", "status": "applied", "reason": "", "refunded_amount": "0.00", "due_amount": "0.00",
    "created_at": examples.ORDERED_AT,
}  # fmt: skip
_REVIEWED = {
    "event_id": "evt_1", "provider": "stripe", "type": "payment_intent.succeeded", "kind": "success",
    "status": "needs_review", "reason": "amount_mismatch", "payment_id": "pi_123", "order_id": examples.ORDER_ID,
    "amount": "49.98", "currency": "USD", "received_at": examples.EXPIRES_AT,
}  # fmt: skip
_DISPUTE_EXAMPLE = {
    "dispute_id": "dp_123", "status": "open", "previous_status": None, "amount": "59.98", "currency": "USD",
    "reason": "fraudulent",
}  # fmt: skip


def _order(**changes: Any) -> Data:
    return Data(OrderOut, examples.ORDER | changes, _OF_ORDER, _WAS_PENDING)


def _payment(members: dict[str, Schema], added: dict[str, Any], **changes: Any) -> Data:
    return Data(PaymentInEvent, _PAYMENT | changes, _OF_PAYMENT | members, {"previous_status": "applied"} | added)


def _product(**changes: Any) -> Data:
    return Data(ProductInEvent, examples.BACKOFFICE_PRODUCT | changes)


DATA = {
    EventType.ORDER_PLACED: Data(
        OrderOut, examples.ORDER, {"previous_status": {"type": "null", "description": "It is new."}},
        {"previous_status": None},
    ),
    EventType.ORDER_PAID: Data(
        OrderOut, examples.ORDER | _PAID, _OF_ORDER | {"late": _flag("It was paid after its payment window.")},
        _WAS_PENDING | {"late": False},
    ),
    EventType.ORDER_CANCELLED: _order(status="cancelled"),
    EventType.ORDER_EXPIRED: _order(status="expired"),
    EventType.REFUND_DUE: _payment({"refund": _object(amount=_AMOUNT)}, {"refund": {"amount": "20.00"}}),
    EventType.REFUND_DONE: _payment(
        {"refund": _object(amount=_AMOUNT, by_other_means=_flag("By other means than the payment's provider."))},
        {"refund": {"amount": "20.00", "by_other_means": False}},
        refunded_amount="20.00",
    ),
    EventType.REFUND_FAILED: _payment(
        {"refund": _FAILED_REFUND, "is_retried": _flag("The shop asks the provider once more by itself.")},
        {"refund": {"amount": "20.00", "refund_id": "re_123", "status": "failed"}, "is_retried": True},
    ),
    EventType.PAYMENT_NEEDS_REVIEW: Data(
        ReviewedEventOut, _REVIEWED,
        {
            "previous_status": _before(WebhookEvent.Status.values, "it was left to staff as it arrived"),
            "explanation": _text("Why staff have to decide: a part of a sentence."),
        },
        {"previous_status": None, "explanation": "49.98 USD were paid, and the order costs 59.98 USD"},
    ),
    EventType.PAYMENT_DISPUTED: _payment({"dispute": _DISPUTE}, {"dispute": _DISPUTE_EXAMPLE}),
    EventType.PRODUCT_PUBLISHED: _product(),
    EventType.PRODUCT_WITHDRAWN: _product(is_published=False),
    EventType.PRODUCT_PAUSED: _product(sale_status="paused", paused_at=examples.EXPIRES_AT),
    EventType.PRODUCT_RESUMED: _product(),
    EventType.PRODUCT_CHANGED: Data(
        ProductInEvent, examples.BACKOFFICE_PRODUCT,
        {
            "changed": {
                "type": "array", "items": {"type": "string", "enum": sorted(EDITABLE)},
                "description": "The names of the members that were changed.",
            }
        },
        {"changed": ["price"]},
    ),
    EventType.PRODUCT_SOLD_OUT: _product(available_stock=0, is_sold_out=True, sale_status="sold_out"),
    EventType.PRODUCT_BACK_IN_STOCK: _product(),
    EventType.STOCK_ADJUSTED: Data(
        ProductInEvent, examples.BACKOFFICE_PRODUCT | {"total_stock": 120}, _ADJUSTMENT,
        {"delta": 20, "reason": "Delivery 4711", "total_before": 100, "total_after": 120},
    ),
}  # fmt: skip

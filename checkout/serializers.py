"""Bodies of requests and answers about holds, orders and their statistics."""

import math
from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from checkout.holds.reading import HoldView
from checkout.models import (
    CUSTOMER_ID_LENGTH,
    MAX_METADATA_MEMBERS,
    METADATA_NAME_LENGTH,
    METADATA_TEXT_LENGTH,
    PAYMENT_ID_LENGTH,
    Hold,
    Order,
)
from checkout.orders.reading import OrderView
from checkout.statistics import Counts, SaleStatistics
from flashsale.core import money
from flashsale.core.limits import MAX_ID
from flashsale.core.rest.fields import (
    MONEY,
    MomentField,
    StrictIntegerField,
    StrictTextField,
    StrictTextMapField,
    StrictUUIDField,
)
from flashsale.core.rest.parsing import validated_with_alias
from flashsale.core.rest.serializers import RequestSerializer, ResponseSerializer

# How the OpenAPI document describes the customer of an answer.
CUSTOMER_ID = {"type": ["string", "null"], "examples": ["customer-77"]}


class PlaceHold(RequestSerializer):
    """`quantity` may be called `qty`; an absent `ttl` equals the default one."""

    product_id = StrictIntegerField(min_value=-MAX_ID, max_value=MAX_ID)
    quantity = StrictIntegerField(min_value=1)
    ttl = StrictIntegerField(
        min_value=settings.HOLD_TTL_MIN_SECONDS,
        max_value=settings.HOLD_TTL_MAX_SECONDS,
        source="ttl_seconds",
        required=False,
    )
    customer_id = StrictTextField(max_length=CUSTOMER_ID_LENGTH, required=False)

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        members = validated_with_alias(super().to_internal_value, data, name="quantity", alias="qty")
        if members.get("ttl_seconds") == settings.HOLD_TTL_SECONDS:
            del members["ttl_seconds"]
        return members


class PlaceOrder(RequestSerializer):
    """`payment_id` may be called `payment_intent_id`; null means that there is none yet. No `metadata` equals {}."""

    hold_id = StrictUUIDField()
    payment_id = StrictTextField(max_length=PAYMENT_ID_LENGTH, required=False, allow_null=True)
    metadata = StrictTextMapField(
        max_members=MAX_METADATA_MEMBERS,
        max_name_length=METADATA_NAME_LENGTH,
        max_text_length=METADATA_TEXT_LENGTH,
        required=False,
    )

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        members = validated_with_alias(super().to_internal_value, data, name="payment_id", alias="payment_intent_id")
        if not members.get("metadata"):
            members.pop("metadata", None)
        return members


class HoldOut(ResponseSerializer):
    """Units set aside for one buyer until `expires_at`."""

    hold_id = serializers.UUIDField(source="hold.id", help_text="Keep it: who knows it may order or release the hold.")
    product_id = serializers.IntegerField(source="hold.product_id")
    quantity = serializers.IntegerField(source="hold.quantity")
    status = serializers.SerializerMethodField(
        help_text="`active`; `converted`: ordered; `released`: given up; `expired`: its deadline passed."
    )
    expires_at = MomentField(source="hold.expires_at")
    expires_in_seconds = serializers.SerializerMethodField(
        help_text="Whole seconds until `expires_at`, rounded up; 0 when it has ended."
    )
    order_id = serializers.UUIDField(allow_null=True, help_text="The order that was made of it.")
    customer_id = serializers.SerializerMethodField(help_text="As it was given with the hold; null: none.")
    created_at = MomentField(source="hold.created_at")

    @extend_schema_field(CUSTOMER_ID)
    def get_customer_id(self, view: HoldView) -> str | None:
        return view.hold.customer_id or None

    @extend_schema_field({"type": "string", "enum": list(Hold.Status.values)})
    def get_status(self, view: HoldView) -> str:
        return view.status

    def get_expires_in_seconds(self, view: HoldView) -> int:
        """Return the whole seconds left, rounded up: 0 means that the hold has ended."""
        if view.status != Hold.Status.ACTIVE:
            return 0
        return math.ceil((view.hold.expires_at - view.read_at).total_seconds())


class PaymentOfOrderOut(ResponseSerializer):
    """The payment that the shop made for an order; `POST /orders/{id}/payment` answers with what pays it."""

    provider = serializers.CharField(source="payment.provider")
    kind = serializers.CharField(source="payment.kind", help_text="`payment_intent` or `checkout_session`.")
    status = serializers.CharField(
        source="payment.status",
        help_text="`creating`, `open` (it can be paid), `closing`, `closed`, `succeeded`, or `failed`.",
    )
    pay_until = MomentField(source="payment.pay_until", help_text="Until when it can be paid.")
    pay_until_in_seconds = serializers.SerializerMethodField(help_text="Whole seconds until `pay_until`, rounded down.")

    def get_pay_until_in_seconds(self, view: OrderView) -> int:
        return (
            0 if view.payment is None else max(0, math.floor((view.payment.pay_until - view.read_at).total_seconds()))
        )


class OrderOut(ResponseSerializer):
    """A hold that its buyer decided to pay for, at the price of the moment when the hold was placed."""

    order_id = serializers.UUIDField(
        source="order.id", help_text="Keep it: who knows it may look at the order and cancel it."
    )
    hold_id = serializers.UUIDField(source="order.hold_id")
    product_id = serializers.IntegerField(source="order.product_id")
    quantity = serializers.IntegerField(source="order.quantity")
    unit_price = serializers.SerializerMethodField()
    total_amount = serializers.SerializerMethodField(help_text="What is to be paid: `unit_price` times `quantity`.")
    currency = serializers.CharField(source="order.currency", help_text="ISO 4217 code.")
    status = serializers.SerializerMethodField(
        help_text="`pending_payment`, then `paid`, `cancelled` or `expired`. An expired order may still become paid."
    )
    payment_id = serializers.CharField(
        source="order.payment_id",
        allow_null=True,
        help_text="The provider's id of its payment: the proved one, else what was given with the order.",
    )
    payment_due_at = MomentField(
        source="order.payment_due_at", help_text="Until when the units stay set aside for the payment."
    )
    paid_at = MomentField(source="order.paid_at", allow_null=True)
    refund = serializers.SerializerMethodField(help_text="Null; `due`: money goes back; `done`: it went back.")
    refunded_amount = serializers.SerializerMethodField(help_text="What went back so far.")
    customer_id = serializers.SerializerMethodField(help_text="As it was given with the hold; null: none.")
    metadata = serializers.SerializerMethodField(help_text="As it was given with the order.")
    payment = serializers.SerializerMethodField(help_text="The last payment that the shop made for it, or null.")
    created_at = MomentField(source="order.created_at")

    @extend_schema_field(PaymentOfOrderOut(allow_null=True))
    def get_payment(self, view: OrderView) -> dict[str, Any] | None:
        return PaymentOfOrderOut.data_of(view) if view.payment else None

    @extend_schema_field(MONEY)
    def get_unit_price(self, view: OrderView) -> str:
        return money.render(view.order.unit_price, view.order.currency)

    @extend_schema_field(MONEY)
    def get_total_amount(self, view: OrderView) -> str:
        return money.render(view.order.total_amount, view.order.currency)

    @extend_schema_field({"type": "string", "enum": list(Order.Status.values)})
    def get_status(self, view: OrderView) -> str:
        return view.status

    @extend_schema_field({"type": ["string", "null"], "enum": ["due", "done", None]})
    def get_refund(self, view: OrderView) -> str | None:
        return view.order.refund or None

    @extend_schema_field(MONEY)
    def get_refunded_amount(self, view: OrderView) -> str:
        return money.render(view.order.refunded_amount, view.order.currency)

    @extend_schema_field(CUSTOMER_ID)
    def get_customer_id(self, view: OrderView) -> str | None:
        return view.order.customer_id or None

    @extend_schema_field({"type": "object", "additionalProperties": {"type": "string"}})
    def get_metadata(self, view: OrderView) -> dict[str, str]:
        # jsonb keeps no order of names, so that every answer sorts them.
        return dict(sorted(view.order.metadata.items()))


class RevenueOut(ResponseSerializer):
    """Money of paid orders in one currency."""

    amount = serializers.CharField(help_text="The totals of the orders, as a decimal string.")
    refunded = serializers.CharField(help_text="How much of it went back since.")
    currency = serializers.CharField(help_text="ISO 4217 code.")


class CountsOut(ResponseSerializer):
    """What was made in a period, with what became of it until now."""

    placed = serializers.IntegerField(help_text="Holds placed.")
    holds_released = serializers.IntegerField(help_text="Holds that were given up.")
    holds_expired = serializers.IntegerField(help_text="Holds whose time passed.")
    refused = serializers.DictField(
        child=serializers.IntegerField(),
        help_text="Claims that were refused, by code. Those of old periods are known by the minute in which they were.",
    )
    ordered = serializers.IntegerField(help_text="Orders placed.")
    paid = serializers.IntegerField(help_text="Orders that are paid.")
    cancelled = serializers.IntegerField(help_text="Orders that were cancelled.")
    expired = serializers.IntegerField(help_text="Orders that were not paid in time.")
    units_sold = serializers.IntegerField(help_text="Units of the paid orders.")
    revenue = serializers.SerializerMethodField(help_text="Of the paid orders, by currency; nearly always of one.")

    @extend_schema_field(RevenueOut(many=True))
    def get_revenue(self, counts: Counts) -> list[dict[str, Any]]:
        return [
            {
                "amount": money.render(revenue.amount, currency),
                "refunded": money.render(revenue.refunded, currency),
                "currency": currency,
            }
            for currency, revenue in sorted(counts.revenue.items())
        ]


class PointOut(CountsOut):
    """What was made in one step of a period."""

    at = MomentField(help_text="When the step begins.")


class StatisticsOut(ResponseSerializer):
    """A product's sale in a period. Holds and orders count when they were made, so that all figures add up.

    Holds that ended without an order are counted for 30 days, refused claims for 90.
    """

    product_id = serializers.IntegerField(source="product.id")
    step_seconds = serializers.IntegerField(source="period.step_seconds", allow_null=True)
    time_to_sell_out_seconds = serializers.SerializerMethodField(
        help_text="From the sale's start, or its first hold, to the last hold; null while units are available."
    )
    totals = serializers.SerializerMethodField()
    series = serializers.SerializerMethodField(help_text="A point for each step, also where nothing happened.")

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Return these fields and the limits of the period; the name of one is a word of Python."""
        limits = {
            "from": MomentField(source="period.since", help_text="The beginning of the period."),
            "to": MomentField(source="period.until", help_text="Its end, which does not belong to it."),
        }
        fields = super().get_fields()
        return {"product_id": fields.pop("product_id"), **limits, **fields}

    @extend_schema_field({"type": ["number", "null"]})
    def get_time_to_sell_out_seconds(self, found: SaleStatistics) -> float | None:
        time = found.time_to_sell_out
        return None if time is None else round(time.total_seconds(), 3)

    @extend_schema_field(CountsOut)
    def get_totals(self, found: SaleStatistics) -> dict[str, Any]:
        return CountsOut.data_of(found.totals)

    @extend_schema_field(PointOut(many=True, allow_null=True))
    def get_series(self, found: SaleStatistics) -> list[dict[str, Any]] | None:
        if found.series is None:
            return None
        moment = MomentField()
        return [{**CountsOut.data_of(point.counts), "at": moment.to_representation(point.at)} for point in found.series]

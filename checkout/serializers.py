"""Holds and orders: what callers may send, and what they are shown."""

import math
from typing import Any

from django.conf import settings
from rest_framework import serializers

from checkout.models import CUSTOMER_ID_LENGTH, PAYMENT_ID_LENGTH, Hold, Order
from flashsale.core import money
from flashsale.core.http import MAX_ID, StrictIntegerField, StrictTextField, StrictUUIDField, one_of_two_names


class PlaceHold(serializers.Serializer):
    """`quantity` may be called `qty`."""

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
        return super().to_internal_value(one_of_two_names(data, name="quantity", alias="qty"))


class PlaceOrder(serializers.Serializer):
    """`payment_id` may be called `payment_intent_id`; null means that there is none yet."""

    hold_id = StrictUUIDField()
    payment_id = StrictTextField(max_length=PAYMENT_ID_LENGTH, required=False, allow_null=True)

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        return super().to_internal_value(one_of_two_names(data, name="payment_id", alias="payment_intent_id"))


class HoldOut(serializers.Serializer):
    """A hold that was read with `HoldQuerySet.as_of_now`."""

    hold_id = serializers.UUIDField(source="id")
    product_id = serializers.IntegerField()
    quantity = serializers.IntegerField()
    status = serializers.SerializerMethodField()
    expires_at = serializers.DateTimeField()
    expires_in_seconds = serializers.SerializerMethodField()
    order_id = serializers.UUIDField(source="ordered_as")
    created_at = serializers.DateTimeField()

    def get_status(self, hold: Any) -> str:
        return hold.status_at(hold.read_at)

    def get_expires_in_seconds(self, hold: Any) -> int:
        """Whole seconds left, rounded up, so that 0 means that it is over."""
        if hold.status_at(hold.read_at) != Hold.Status.ACTIVE:
            return 0
        return math.ceil((hold.expires_at - hold.read_at).total_seconds())


class OrderOut(serializers.Serializer):
    """An order that was read with `OrderQuerySet.as_of_now`."""

    order_id = serializers.UUIDField(source="id")
    hold_id = serializers.UUIDField()
    product_id = serializers.IntegerField()
    quantity = serializers.IntegerField()
    unit_price = serializers.SerializerMethodField()
    total_amount = serializers.SerializerMethodField()
    currency = serializers.CharField()
    status = serializers.SerializerMethodField()
    payment_id = serializers.CharField()
    payment_due_at = serializers.DateTimeField()
    paid_at = serializers.DateTimeField()
    refund = serializers.SerializerMethodField()
    refunded_amount = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField()

    def get_unit_price(self, order: Order) -> str:
        return money.render(order.unit_price, order.currency)

    def get_total_amount(self, order: Order) -> str:
        return money.render(order.total_amount, order.currency)

    def get_status(self, order: Any) -> str:
        return order.status_at(order.read_at)

    def get_refund(self, order: Order) -> str | None:
        return order.refund or None

    def get_refunded_amount(self, order: Order) -> str:
        return money.render(order.refunded_amount, order.currency)

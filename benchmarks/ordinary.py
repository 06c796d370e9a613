"""The same sale the ordinary way: model serializers, and one transaction a request that locks, reads and writes.

Nothing here is careless: rows are locked, the books stay right, the signature is checked. It is what a good team writes
first, and what the shop's own views are compared with.
"""

import json
from datetime import timedelta

from django.db import transaction
from django.utils import timezone
from rest_framework import serializers, status, viewsets
from rest_framework.response import Response

from catalog.models import Product, Stock
from checkout.models import Hold, Order
from payments.models import Payment, WebhookEvent
from payments.providers import PROVIDERS
from payments.views import RawJSONParser


class Wanted(serializers.Serializer):
    product_id = serializers.IntegerField(min_value=1)
    quantity = serializers.IntegerField(min_value=1)
    ttl = serializers.IntegerField(min_value=10, max_value=600, required=False)
    customer_id = serializers.CharField(max_length=64, required=False)


class HoldOut(serializers.ModelSerializer):
    class Meta:
        model = Hold
        fields = ("id", "product_id", "quantity", "status", "unit_price", "currency", "expires_at", "created_at")


class OrderOut(serializers.ModelSerializer):
    class Meta:
        model = Order
        fields = ("id", "hold_id", "product_id", "quantity", "total_amount", "currency", "status", "payment_due_at")


class Constant(viewsets.ViewSet):
    """A bare view: validates a body as the holds do, and answers a constant."""

    def retrieve(self, request) -> Response:
        return Response({"id": 1, "available_stock": 87})

    def create(self, request) -> Response:
        wanted = Wanted(data=request.data)
        wanted.is_valid(raise_exception=True)
        return Response({"code": "insufficient_stock", "available": 0}, status=status.HTTP_409_CONFLICT)


class Holds(viewsets.ViewSet):
    def create(self, request) -> Response:
        wanted = Wanted(data=request.data)
        wanted.is_valid(raise_exception=True)
        quantity, now = wanted.validated_data["quantity"], timezone.now()
        with transaction.atomic():
            stock = Stock.objects.select_for_update().get(pk=wanted.validated_data["product_id"])
            product = Product.objects.get(pk=stock.pk)
            if stock.free < quantity:
                return Response({"code": "insufficient_stock"}, status=status.HTTP_409_CONFLICT)
            stock.reserved += quantity
            stock.save()
            hold = Hold.objects.create(
                product=product,
                quantity=quantity,
                unit_price=product.price,
                currency=product.currency,
                created_at=now,
                expires_at=now + timedelta(seconds=wanted.validated_data.get("ttl", 120)),
            )
        return Response(HoldOut(hold).data, status=status.HTTP_201_CREATED)


class Orders(viewsets.ViewSet):
    def create(self, request) -> Response:
        now = timezone.now()
        with transaction.atomic():
            hold = Hold.objects.select_for_update().get(pk=request.data["hold_id"], status=Hold.Status.ACTIVE)
            hold.status, hold.ended_at = Hold.Status.CONVERTED, now
            hold.save()
            order = Order.objects.create(
                hold=hold,
                product_id=hold.product_id,
                quantity=hold.quantity,
                unit_price=hold.unit_price,
                total_amount=hold.unit_price * hold.quantity,
                currency=hold.currency,
                payment_id=request.data["payment_id"],
                created_at=now,
                payment_due_at=now + timedelta(minutes=15),
            )
        return Response(OrderOut(order).data, status=status.HTTP_201_CREATED)


class Webhook(viewsets.ViewSet):
    authentication_classes = permission_classes = throttle_classes = ()
    parser_classes = (RawJSONParser,)

    def create(self, request) -> Response:
        PROVIDERS["standard"].verify(request.data, request.headers)
        said, now = json.loads(request.data), timezone.now()
        with transaction.atomic():
            order = Order.objects.select_for_update().get(pk=said["order_id"])
            event = WebhookEvent.objects.create(
                provider="standard", event_id=said["idempotency_key"], fingerprint="", body=request.data, headers={},
                type=said["status"], kind="success", order=order, currency=said["currency"], status="applied",
                received_at=now, processed_at=now, attempts=1,
            )  # fmt: skip
            stock = Stock.objects.select_for_update().get(pk=order.product_id)
            stock.reserved -= order.quantity
            stock.sold += order.quantity
            stock.save()
            order.status, order.paid_at = Order.Status.PAID, now
            order.save()
            Payment.objects.create(
                provider="standard", payment_id=said["payment_id"], order=order, event=event,
                amount=order.total_amount, currency=order.currency, status="applied", created_at=now,
            )  # fmt: skip
        return Response({"order_status": order.status})

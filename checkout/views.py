"""Holds and orders over HTTP. Whoever knows an id may use it; nothing lists them."""

from typing import Any
from uuid import UUID

from rest_framework import status, viewsets
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from checkout import holds, idempotency, orders
from checkout.idempotency import Once
from checkout.models import Hold, Order
from checkout.serializers import HoldOut, OrderOut, PlaceHold, PlaceOrder
from flashsale.core.http import HTTP_METHODS, idempotency_key_of, parse_uuid
from flashsale.core.refusals import NotFound


class UncachedViewSet(viewsets.ViewSet):
    """What holds and orders share: their ids are UUIDs, and no cache may keep them."""

    http_method_names = HTTP_METHODS

    def finalize_response(self, request, response, *args, **kwargs):
        response.headers["Cache-Control"] = "no-store"
        return super().finalize_response(request, response, *args, **kwargs)


class HoldViewSet(UncachedViewSet):
    """Place, look at and release holds."""

    rate_scopes = {"create": "holds", "retrieve": "reads", "destroy": "changes"}

    def create(self, request) -> Response:
        wanted = PlaceHold(data=request.data)
        wanted.is_valid(raise_exception=True)
        hold = holds.place(**wanted.validated_data, once=_once(request, wanted.validated_data))
        return _created(HoldOut(hold).data, "hold-detail", hold)

    def retrieve(self, request, pk: str) -> Response:
        return Response(HoldOut(holds.get(_id(pk))).data)

    def destroy(self, request, pk: str) -> Response:
        holds.release(_id(pk))
        return Response(status=status.HTTP_204_NO_CONTENT)


class OrderViewSet(UncachedViewSet):
    """Turn a hold into an order, look at it, cancel it. Polling one's own order is not limited."""

    rate_scopes = {"create": "changes", "cancel": "changes"}

    def create(self, request) -> Response:
        wanted = PlaceOrder(data=request.data)
        wanted.is_valid(raise_exception=True)
        order = orders.place(**wanted.validated_data, once=_once(request, wanted.validated_data))
        return _created(OrderOut(order).data, "order-detail", order)

    def retrieve(self, request, pk: str) -> Response:
        return Response(OrderOut(orders.get(_id(pk))).data)

    def cancel(self, request, pk: str) -> Response:
        return Response(OrderOut(orders.cancel(_id(pk))).data)


def _once(request: Request, validated: dict[str, Any]) -> Once | None:
    """Return what lets this request be repeated; keys belong to the API token, or to all anonymous callers."""
    key = idempotency_key_of(request)
    if key is None:
        return None
    client = request.auth.prefix if request.auth else ""
    return Once(client=client, key=key, body_hash=idempotency.hash_of(validated))


def _created(data: dict, view_name: str, made: Hold | Order) -> Response:
    headers = {"Location": reverse(view_name, kwargs={"pk": made.pk})}
    if made.is_replayed:
        headers["Idempotent-Replayed"] = "true"
    return Response(data, status=status.HTTP_201_CREATED, headers=headers)


def _id(text: str) -> UUID:
    value = parse_uuid(text)
    if value is None:
        raise NotFound
    return value

"""Holds and orders over HTTP. Whoever knows an id may use it; nothing lists them."""

from uuid import UUID

from rest_framework import status, viewsets
from rest_framework.response import Response
from rest_framework.reverse import reverse

from checkout import holds, orders
from checkout.serializers import HoldOut, OrderOut, PlaceHold, PlaceOrder
from flashsale.core.http import HTTP_METHODS, parse_uuid
from flashsale.core.refusals import NotFound


class UncachedViewSet(viewsets.ViewSet):
    """What holds and orders share: their ids are UUIDs, and no cache may keep them."""

    http_method_names = HTTP_METHODS

    def finalize_response(self, request, response, *args, **kwargs):
        response.headers["Cache-Control"] = "no-store"
        return super().finalize_response(request, response, *args, **kwargs)


class HoldViewSet(UncachedViewSet):
    """Place, look at and release holds."""

    def create(self, request) -> Response:
        wanted = PlaceHold(data=request.data)
        wanted.is_valid(raise_exception=True)
        hold = holds.place(**wanted.validated_data)
        return _created(HoldOut(hold).data, "hold-detail", hold.pk)

    def retrieve(self, request, pk: str) -> Response:
        return Response(HoldOut(holds.get(_id(pk))).data)

    def destroy(self, request, pk: str) -> Response:
        holds.release(_id(pk))
        return Response(status=status.HTTP_204_NO_CONTENT)


class OrderViewSet(UncachedViewSet):
    """Turn a hold into an order, look at it, cancel it."""

    def create(self, request) -> Response:
        wanted = PlaceOrder(data=request.data)
        wanted.is_valid(raise_exception=True)
        order = orders.place(**wanted.validated_data)
        return _created(OrderOut(order).data, "order-detail", order.pk)

    def retrieve(self, request, pk: str) -> Response:
        return Response(OrderOut(orders.get(_id(pk))).data)

    def cancel(self, request, pk: str) -> Response:
        return Response(OrderOut(orders.cancel(_id(pk))).data)


def _created(data: dict, view_name: str, pk: UUID) -> Response:
    location = reverse(view_name, kwargs={"pk": pk})
    return Response(data, status=status.HTTP_201_CREATED, headers={"Location": location})


def _id(text: str) -> UUID:
    value = parse_uuid(text)
    if value is None:
        raise NotFound
    return value

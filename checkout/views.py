"""Holds and orders over HTTP. Whoever knows an id may use it; nothing lists them."""

import functools
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpResponse
from django.urls import reverse
from rest_framework import viewsets
from rest_framework.request import Request

from checkout import batching, holds, idempotency, orders
from checkout.idempotency import IdempotencyKey
from checkout.models import Hold, Order
from checkout.serializers import HoldOut, OrderOut, PlaceHold, PlaceOrder
from flashsale.core import events
from flashsale.core.identifiers import parse_uuid
from flashsale.core.refusals import NotFound, Refusal
from flashsale.core.rest import scopes
from flashsale.core.rest.headers import HTTP_METHODS, idempotency_key_of
from flashsale.core.rest.views import AcyclicView, json_response


class UncachedViewSet(AcyclicView, viewsets.ViewSet):
    """What holds and orders share: their ids are UUIDs, and no cache may keep them."""

    http_method_names = HTTP_METHODS

    def finalize_response(self, request, response, *args, **kwargs):
        response.headers["Cache-Control"] = "no-store"
        return super().finalize_response(request, response, *args, **kwargs)


class HoldViewSet(UncachedViewSet):
    """Place, look at and release holds."""

    rate_scopes = {"create": "holds", "retrieve": "reads", "destroy": "changes"}

    def create(self, request) -> HttpResponse:
        wanted = PlaceHold.validated(request.data)
        try:
            hold = batching.place(**wanted, once=_once(request, wanted))
        except Refusal as refusal:
            _note_refusal(refusal, product_id=wanted["product_id"])
            raise
        if not hold.is_replayed:
            events.record("hold_placed", hold_id=hold.pk, product_id=hold.product_id, quantity=hold.quantity)
        return _created(HoldOut.data_of(hold), "hold-list", hold)

    def retrieve(self, request, pk: str) -> HttpResponse:
        return json_response(HoldOut.data_of(holds.get(_id(pk))))

    def destroy(self, request, pk: str) -> HttpResponse:
        batching.release(_id(pk))
        return HttpResponse(status=HTTPStatus.NO_CONTENT)


class OrderViewSet(UncachedViewSet):
    """Turn a hold into an order, look at it, cancel it. Polling one's own order is not limited."""

    rate_scopes = {"create": "changes", "cancel": "changes"}

    def create(self, request) -> HttpResponse:
        wanted = PlaceOrder.validated(request.data)
        order = batching.place_order(
            **wanted, is_payment_id_proved=_may_prove_payments(request), once=_once(request, wanted)
        )
        return _created(OrderOut.data_of(order), "order-list", order)

    def retrieve(self, request, pk: str) -> HttpResponse:
        return json_response(OrderOut.data_of(orders.get(_id(pk))))

    def cancel(self, request, pk: str) -> HttpResponse:
        return json_response(OrderOut.data_of(batching.cancel(_id(pk))))


_refusals = events.SampledEvent("hold_refused")


def _note_refusal(refusal: Refusal, *, product_id: int) -> None:
    known = {} if isinstance(refusal, NotFound) else {"product_id": product_id}
    _refusals.record(code=refusal.code, **known)


def _may_prove_payments(request: Request) -> bool:
    """Say whether this caller's payment ids are proved; anybody else's are claims."""
    has_scope = request.auth is not None and scopes.PAYMENTS_CLAIM in request.auth.scopes
    return has_scope or settings.TRUST_CLAIMED_PAYMENT_IDS


def _once(request: Request, validated: dict[str, Any]) -> IdempotencyKey | None:
    """Return what lets this request be repeated; keys belong to the API token, or to all anonymous callers."""
    key = idempotency_key_of(request)
    if key is None:
        return None
    client = request.auth.prefix if request.auth else ""
    return IdempotencyKey(client=client, key=key, body_hash=idempotency.request_fingerprint(validated))


def _created(data: dict, list_name: str, made: Hold | Order) -> HttpResponse:
    headers = {"Location": f"{_path_of(list_name)}/{made.pk}"}
    if made.is_replayed:
        headers["Idempotent-Replayed"] = "true"
    return json_response(data, status=HTTPStatus.CREATED, headers=headers)


@functools.cache
def _path_of(name: str) -> str:
    return reverse(name).rstrip("/")


def _id(text: str) -> UUID:
    value = parse_uuid(text)
    if value is None:
        raise NotFound
    return value

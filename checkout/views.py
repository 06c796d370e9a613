"""Holds and orders over HTTP. Knowing an id is the permission to use it; no endpoint lists ids."""

import functools
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpResponse
from django.urls import reverse
from rest_framework import viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from catalog.bulkheads import stock_locks
from catalog.inventory import InsufficientStock
from checkout import holds, idempotency, orders, refusal_counts, sold_out
from checkout.holds import HoldView
from checkout.idempotency import IdempotencyKey
from checkout.serializers import HoldOut, OrderOut, PlaceHold, PlaceOrder
from checkout.waiting_room import gate
from flashsale.core import events
from flashsale.core.identifiers import parse_uuid
from flashsale.core.refusals import NotFound, Refusal
from flashsale.core.rest import scopes
from flashsale.core.rest.headers import HTTP_METHODS, idempotency_key_of
from flashsale.core.rest.serializers import NoMembers
from flashsale.core.rest.views import AcyclicView, json_response


class UncachedViewSet(AcyclicView, viewsets.ViewSet):
    """What holds and orders share: their ids are UUIDs, and caches may not store them."""

    http_method_names = HTTP_METHODS

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        response.headers["Cache-Control"] = "no-store"
        return super().finalize_response(request, response, *args, **kwargs)


class HoldViewSet(UncachedViewSet):
    """Place, look at and release holds."""

    rate_scopes = {"create": "holds", "retrieve": "reads", "destroy": "changes"}
    required_scopes = dict.fromkeys(("create", "retrieve", "destroy"), scopes.STOREFRONT)

    def create(self, request: Request) -> HttpResponse:
        body = PlaceHold.validated(request.data)
        try:
            view = _place(body, _key_of(request, body), ticket=request.META.get("HTTP_QUEUE_TICKET"))
        except Refusal as refusal:
            _record_refusal(refusal, product_id=body["product_id"])
            raise
        hold = view.hold
        if not view.is_replayed:
            events.record("hold_placed", hold_id=hold.pk, product_id=hold.product_id, quantity=hold.quantity)
        return _created(HoldOut.data_of(view), "hold-list", hold.pk, is_replayed=view.is_replayed)

    def retrieve(self, request: Request, pk: str) -> HttpResponse:
        return json_response(HoldOut.data_of(holds.get(_id(pk))))

    def destroy(self, request: Request, pk: str) -> HttpResponse:
        hold_id = _id(pk)
        with stock_locks.entered():
            holds.release(hold_id)
        return HttpResponse(status=HTTPStatus.NO_CONTENT)


class OrderViewSet(UncachedViewSet):
    """Turn a hold into an order, look at it, cancel it. Polling one's own order is not limited."""

    rate_scopes = {"create": "changes", "cancel": "changes"}
    required_scopes = dict.fromkeys(("create", "retrieve", "cancel"), scopes.STOREFRONT)

    def create(self, request: Request) -> HttpResponse:
        body = PlaceOrder.validated(request.data)
        view = orders.submit(**body, is_payment_id_proved=_may_prove_payments(request), key=_key_of(request, body))
        return _created(OrderOut.data_of(view), "order-list", view.order.pk, is_replayed=view.is_replayed)

    def retrieve(self, request: Request, pk: str) -> HttpResponse:
        return json_response(OrderOut.data_of(orders.get(_id(pk))))

    def cancel(self, request: Request, pk: str) -> HttpResponse:
        order_id = _id(pk)
        NoMembers.validated(request.data)
        with stock_locks.entered():
            view = orders.cancel(order_id)
        return json_response(OrderOut.data_of(view))


def _place(body: dict[str, Any], key: IdempotencyKey | None, *, ticket: str | None) -> HoldView:
    """Place a hold, or refuse it: at the gate of a product with a queue, or from the snapshot while units are short."""
    product_id = body["product_id"]
    with gate.entered(product_id, ticket=ticket, customer_id=body.get("customer_id", ""), key=key) as ticket_id:
        sold_out.check(product_id=product_id, quantity=body["quantity"], key=key)
        try:
            return holds.submit(**body, key=key, ticket_id=ticket_id)
        except InsufficientStock:
            sold_out.record_shortage(product_id)
            raise


_refusals = events.SampledEvent("hold_refused")


def _record_refusal(refusal: Refusal, *, product_id: int) -> None:
    # Ids of products that do not exist would make an unlimited number of metric labels.
    product = {} if isinstance(refusal, NotFound) else {"product_id": product_id}
    _refusals.record(code=refusal.code, **product)
    if refusal.is_refused_claim:
        refusal_counts.counter.add(refusal.code, product_id=product_id)


def _may_prove_payments(request: Request) -> bool:
    """Say whether this caller's payment ids are proved; all other callers' are claims."""
    token = _token_of(request)
    has_scope = token is not None and scopes.PAYMENTS_CLAIM in token.scopes
    return has_scope or settings.TRUST_CLAIMED_PAYMENT_IDS


def _token_of(request: Request) -> scopes.ApiToken | None:
    return request.auth  # type: ignore[return-value]  # the stub names the framework's own token


def _key_of(request: Request, body: dict[str, Any]) -> IdempotencyKey | None:
    """Return the request's Idempotency-Key; keys belong to the API token, or to all anonymous callers."""
    key = idempotency_key_of(request)
    if key is None:
        return None
    token = _token_of(request)
    client = token.prefix if token else ""
    return IdempotencyKey(client=client, key=key, body_hash=idempotency.request_fingerprint(body))


def _created(data: dict[str, Any], list_name: str, created_id: UUID, *, is_replayed: bool) -> HttpResponse:
    headers = {"Location": f"{_path_of(list_name)}/{created_id}"}
    if is_replayed:
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

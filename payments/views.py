"""Webhooks of payment providers, and payments that the shop makes, over HTTP."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import IO, Any
from uuid import UUID

from django.http import HttpResponse
from rest_framework import views, viewsets
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from checkout.serializers import OrderOut
from flashsale.core.identifiers import parse_uuid
from flashsale.core.refusals import InvalidRequest, NotFound
from flashsale.core.rest import scopes
from flashsale.core.rest.headers import HTTP_METHODS
from flashsale.core.rest.parsing import read_body
from flashsale.core.rest.serializers import NoMembers
from flashsale.core.rest.views import AcyclicView, json_response
from payments import attempts, inbox
from payments.providers import DEFAULT_PROVIDER, PROVIDERS
from payments.providers.base import UnusableBody
from payments.serializers import OrderPaymentOut, ReceiptOut, StartPayment

# A payment that is being made is asked for again after so many seconds.
RETRY_AFTER_SECONDS = 1


class RawJSONParser(BaseParser):
    """Pass an `application/json` body on as the bytes that were signed."""

    media_type = "application/json"

    def parse(  # type: ignore[override]  # the stub knows parsed data only; DRF hands on whatever a parser returns
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> bytes:
        return read_body(stream)


class WebhookView(AcyclicView, views.APIView):
    """One endpoint for each provider; the default one also at `/payments/webhook`."""

    http_method_names = HTTP_METHODS
    # Providers authenticate by their signature.
    authentication_classes = permission_classes = throttle_classes = ()
    parser_classes = (RawJSONParser,)

    def post(self, request: Request, provider: str = DEFAULT_PROVIDER) -> HttpResponse:
        if provider not in PROVIDERS:
            raise NotFound("There is no such payment provider.")
        inbox.verify_headers(PROVIDERS[provider], request.headers)
        body = request.data if isinstance(request.data, bytes) else b""
        try:
            receipt = inbox.receive(PROVIDERS[provider], body=body, headers=request.headers)
        except UnusableBody as error:
            raise InvalidRequest(str(error), pointer=error.pointer, error_code="unusable") from error
        headers = {"Idempotent-Replayed": "true"} if receipt.is_replay else {}
        # The event waits for its order or the worker, or it is done.
        status = HTTPStatus.ACCEPTED if receipt.event.is_undecided else HTTPStatus.OK
        return json_response(ReceiptOut.data_of(receipt), status=status, headers=headers)


class OrderPaymentViewSet(AcyclicView, viewsets.ViewSet):
    """The payment of an order, made by the shop at its provider. Knowing the order's id is the permission."""

    http_method_names = HTTP_METHODS
    rate_scopes = {"create": "changes", "check": "changes"}
    required_scopes = {"create": scopes.STOREFRONT, "check": scopes.STOREFRONT}

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        response.headers["Cache-Control"] = "no-store"
        return super().finalize_response(request, response, *args, **kwargs)

    def create(self, request: Request, pk: str) -> HttpResponse:
        body = StartPayment.validated(request.data)
        view = attempts.request(_order_id(pk), **body)
        data = OrderPaymentOut.data_of(view)
        if not view.is_open:
            return json_response(data, status=HTTPStatus.ACCEPTED, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})
        return json_response(data, status=HTTPStatus.CREATED if view.is_new else HTTPStatus.OK)

    def check(self, request: Request, pk: str) -> HttpResponse:
        order_id = _order_id(pk)
        NoMembers.validated(request.data)
        return json_response(OrderOut.data_of(attempts.check(order_id)))


def _order_id(text: str) -> UUID:
    value = parse_uuid(text)
    if value is None:
        raise NotFound
    return value

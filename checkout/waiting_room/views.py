"""A product's queue over HTTP: its page, and tickets."""

from typing import Any

from django.conf import settings
from django.http import HttpResponse
from rest_framework import viewsets
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from catalog.snapshot_refresh import NO_SUCH_PRODUCT
from checkout.waiting_room import joining, page
from checkout.waiting_room.serializers import JoinedOut, JoinQueue, QueueOut
from flashsale.core.identifiers import parse_id
from flashsale.core.refusals import NotFound
from flashsale.core.rest import scopes
from flashsale.core.rest.caching import keep_for_a_second
from flashsale.core.rest.headers import HTTP_METHODS
from flashsale.core.rest.views import AcyclicView, json_response


class QueueViewSet(AcyclicView, viewsets.ViewSet):
    """Look at a queue, and join it. The page is the same for all clients; a ticket is one client's."""

    http_method_names = HTTP_METHODS
    rate_scopes = {"create": "joins", "retrieve": "reads"}
    required_scopes = dict.fromkeys(("create", "retrieve"), scopes.STOREFRONT)

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        if self.action == "retrieve":
            keep_for_a_second(request, response, is_public=settings.API_ACCESS == "public")
        else:
            response.headers["Cache-Control"] = "no-store"
        return super().finalize_response(request, response, *args, **kwargs)

    def retrieve(self, request: Request, pk: str) -> HttpResponse:
        return json_response(QueueOut.data_of(page.get(_id(pk))))

    def create(self, request: Request, pk: str) -> HttpResponse:
        body = JoinQueue.validated(request.data)
        # A client can name any customer; the holder of a token vouches for the one that it names.
        customer_id = body.get("customer_id", "") if request.auth else ""
        joined = joining.join(
            product_id=_id(pk), ticket=request._request.META.get("HTTP_QUEUE_TICKET"), customer_id=customer_id
        )
        return HttpResponse(JoinedOut.bytes_of(joined), content_type=JSONRenderer.media_type)


def _id(text: str) -> int:
    product_id = parse_id(text)
    if product_id is None:
        raise NotFound(NO_SUCH_PRODUCT)
    return product_id

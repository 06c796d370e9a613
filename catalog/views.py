"""Products over HTTP: read only."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse
from rest_framework import viewsets
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from catalog import availability, snapshot_refresh
from catalog.models import Product
from catalog.serializers import ProductOut
from flashsale.core import greenlets
from flashsale.core.identifiers import parse_id
from flashsale.core.refusals import NotFound
from flashsale.core.rest import scopes
from flashsale.core.rest.caching import keep_for_a_second
from flashsale.core.rest.conditional import RenderedBody
from flashsale.core.rest.headers import HTTP_METHODS
from flashsale.core.rest.views import AcyclicView


class ProductViewSet(AcyclicView, viewsets.GenericViewSet["availability.AnnotatedProduct"]):
    """Published products with the units that can be held."""

    http_method_names = HTTP_METHODS
    rate_scopes = {"list": "reads", "retrieve": "reads"}
    required_scopes = {"list": scopes.STOREFRONT, "retrieve": scopes.STOREFRONT}
    serializer_class = ProductOut

    def get_queryset(self) -> "QuerySet[availability.AnnotatedProduct]":
        return availability.annotate(Product.objects.published())

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        """Let caches keep an answer for a second; shared caches only when it was asked for without a token."""
        keep_for_a_second(request, response, is_public=not getattr(request, "auth", None))
        return super().finalize_response(request, response, *args, **kwargs)

    @greenlets.offloaded
    def list(self, request: Request) -> HttpResponse:
        rows = self.paginate_queryset(self.get_queryset()) or []
        answers = [ProductOut.data_of(availability.view_of(row)) for row in rows]
        return _rendered(self.get_paginated_response(answers).data).response(request)

    def retrieve(self, request: Request, pk: str) -> HttpResponse:
        product_id = parse_id(pk)
        if product_id is None:
            raise NotFound(snapshot_refresh.NO_SUCH_PRODUCT)
        return snapshot_refresh.read_product(product_id).rendered(_rendered).response(request)


def _rendered(answer: Any) -> RenderedBody:
    return RenderedBody.of(JSONRenderer().render(answer), JSONRenderer.media_type)

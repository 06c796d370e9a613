"""Products over HTTP: read only."""

from http import HTTPStatus
from typing import Any

from django.http import HttpResponse
from rest_framework import viewsets
from rest_framework.renderers import JSONRenderer

from catalog import snapshot_refresh, snapshots
from catalog.models import Product
from catalog.serializers import ProductOut
from flashsale.core.batching import Admit, Batcher
from flashsale.core.refusals import NotFound
from flashsale.core.rest.conditional import Page
from flashsale.core.rest.headers import HTTP_METHODS
from flashsale.core.rest.parsing import parse_id
from flashsale.core.rest.views import AcyclicView

NO_SUCH_PRODUCT = "There is no such product."


class ProductViewSet(AcyclicView, viewsets.GenericViewSet):
    """Published products with what is left of them."""

    http_method_names = HTTP_METHODS
    rate_scopes = {"list": "reads", "retrieve": "reads"}
    serializer_class = ProductOut

    queryset = Product.objects.published().with_availability()

    def finalize_response(self, request, response, *args, **kwargs):
        """Let caches keep an answer for a second; shared ones only what everybody may see."""
        if response.status_code in (HTTPStatus.OK, HTTPStatus.NOT_MODIFIED):
            shared = "private" if getattr(request, "auth", None) else "public"
            response.headers["Cache-Control"] = f"{shared}, max-age=1"
        return super().finalize_response(request, response, *args, **kwargs)

    def list(self, request, *args, **kwargs) -> HttpResponse:
        products = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        answers = [ProductOut.data_of(product) for product in products]
        return _page_of(self.get_paginated_response(answers).data).response(request)

    def retrieve(self, request, pk: str) -> HttpResponse:
        product_id = parse_id(pk)
        if product_id is None:
            raise NotFound(NO_SUCH_PRODUCT)
        return page_single_flight.submit(product_id, None).response(request)


def _page_of(answer: Any) -> Page:
    return Page.of(JSONRenderer().render(answer), JSONRenderer.media_type)


def _page(product_id: int, requests: list[None], admit: Admit[None]) -> list[Page | Exception]:
    """Make a product's page once for all who wait for it: when a snapshot is gone, its readers do not pile up."""
    answer = snapshots.read_alone(product_id) or snapshot_refresh.refresh_product(product_id)
    if answer is None:
        return [NotFound(NO_SUCH_PRODUCT) for _ in requests]
    return [_page_of(answer)] * len(requests)


page_single_flight: Batcher[int, None, Page] = Batcher(_page)

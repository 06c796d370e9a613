"""Products over HTTP: read only."""

import time
from http import HTTPStatus
from typing import Any

from django.utils.decorators import method_decorator
from django.views.decorators.http import conditional_page
from rest_framework import mixins, viewsets
from rest_framework.response import Response

from catalog import availability
from catalog.models import Product
from catalog.serializers import ProductOut
from flashsale.core.http import HTTP_METHODS, parse_id
from flashsale.core.refusals import NotFound

NO_SUCH_PRODUCT = "There is no such product."


@method_decorator(conditional_page, name="dispatch")
class ProductViewSet(mixins.ListModelMixin, viewsets.GenericViewSet):
    """Published products with what is left of them."""

    http_method_names = HTTP_METHODS
    rate_scopes = {"list": "reads", "retrieve": "reads"}
    serializer_class = ProductOut

    queryset = Product.objects.published().with_availability()

    def finalize_response(self, request, response, *args, **kwargs):
        """Let caches keep an answer for a second; shared ones only what everybody may see."""
        if response.status_code == HTTPStatus.OK:
            shared = "private" if getattr(request, "auth", None) else "public"
            response.headers["Cache-Control"] = f"{shared}, max-age=1"
        return super().finalize_response(request, response, *args, **kwargs)

    def retrieve(self, request, pk: str) -> Response:
        product_id = parse_id(pk)
        if product_id is None:
            raise NotFound(NO_SUCH_PRODUCT)
        kept = availability.read(product_id)
        return Response(kept if kept is not None else self._read(product_id))

    def _read(self, product_id: int) -> dict[str, Any]:
        read_since = time.monotonic()
        product = self.get_queryset().with_outlook().filter(pk=product_id).first()
        if product is None:
            raise NotFound(NO_SUCH_PRODUCT)
        answer = ProductOut(product).data
        availability.keep(product, answer, read_since=read_since)
        return answer

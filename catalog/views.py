"""Products over HTTP: read only."""

import time
from typing import Any

from rest_framework import mixins, viewsets
from rest_framework.response import Response

from catalog import availability
from catalog.models import Product
from catalog.serializers import ProductOut
from flashsale.core.http import HTTP_METHODS, parse_id
from flashsale.core.refusals import NotFound

NO_SUCH_PRODUCT = "There is no such product."


class ProductViewSet(mixins.ListModelMixin, viewsets.GenericViewSet):
    """Published products with what is left of them."""

    http_method_names = HTTP_METHODS
    serializer_class = ProductOut

    queryset = Product.objects.published().with_availability()

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

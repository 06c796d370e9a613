"""Products over HTTP: read only."""

import hashlib
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django.http import HttpResponse, HttpResponseNotModified
from django.utils.http import parse_etags
from rest_framework import mixins, viewsets
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request

from catalog import availability, refresh
from catalog.models import Product
from catalog.serializers import ProductOut
from flashsale.core.http import HTTP_METHODS, parse_id
from flashsale.core.refusals import NotFound
from flashsale.core.together import Batch, Together

NO_SUCH_PRODUCT = "There is no such product."


@dataclass(frozen=True)
class Page:
    """An answer as it is sent, and its entity tag."""

    body: bytes
    etag: str


class ProductViewSet(mixins.ListModelMixin, viewsets.GenericViewSet):
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
        return _sent(request, _page_of(super().list(request, *args, **kwargs).data))

    def retrieve(self, request, pk: str) -> HttpResponse:
        product_id = parse_id(pk)
        if product_id is None:
            raise NotFound(NO_SUCH_PRODUCT)
        return _sent(request, _pages.ask(product_id, None))


def _sent(request: Request, page: Page) -> HttpResponse:
    """Return the page, or 304 to who has it (`If-None-Match`: RFC 9110, section 13.1.2); no other condition counts."""
    headers = {"ETag": page.etag}
    known = parse_etags(request.headers.get("If-None-Match", ""))
    if "*" in known or page.etag in [tag.removeprefix("W/") for tag in known]:
        return HttpResponseNotModified(headers=headers)
    return HttpResponse(page.body, content_type=JSONRenderer.media_type, headers=headers)


def _page_of(answer: Any) -> Page:
    body = JSONRenderer().render(answer)
    return Page(body, f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"')


def _page(product_id: int, batch: Batch[None, Page]) -> list[Page | NotFound]:
    """Make a product's page once for all who wait for it: when a snapshot is gone, its readers do not pile up."""
    answer = availability.read_alone(product_id) or refresh.refresh_product(product_id)
    if answer is None:
        return [NotFound(NO_SUCH_PRODUCT) for _ in batch.requests]
    return [_page_of(answer)] * len(batch.requests)


_pages: Together[None, Page] = Together(_page)

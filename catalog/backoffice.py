"""Products for the back office: listed, added, edited by version, published, paused; and adjustments of their stock."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.http import HttpResponse
from rest_framework import serializers
from rest_framework.fields import get_error_detail
from rest_framework.request import Request

from catalog import availability, inventory, products
from catalog.availability import ProductView
from catalog.bulkheads import stock_locks
from catalog.models import Product, Stock, StockAdjustment
from catalog.products import Change, Outcome
from catalog.serializers import (
    BackofficeProductOut,
    NewProduct,
    NewStockAdjustment,
    Note,
    ProductChanges,
    StockAdjustmentOut,
)
from catalog.validators import SKU_LENGTH
from flashsale.core.backoffice import newest_first, parameters
from flashsale.core.backoffice.views import BackofficeViewSet
from flashsale.core.identifiers import parse_id
from flashsale.core.refusals import InvalidRequest, NotFound
from flashsale.core.rest import scopes
from flashsale.core.rest.conditional import expected_tags
from flashsale.core.rest.views import json_response
from flashsale.core.submissions.keyed_requests import Answer

LIST = newest_first.PARAMETERS | {
    "sku": parameters.text("What the shop itself calls it, exactly.", max_length=SKU_LENGTH),
    "is_published": parameters.boolean("Whether customers can see it."),
}
# What each change is called beside its note; the change itself is among the versions of the product.
DONE = {
    Change.PUBLISH: "Published.", Change.WITHDRAW: "Withdrawn.", Change.PAUSE: "Paused.", Change.RESUME: "Resumed.",
}  # fmt: skip


class ProductViewSet(BackofficeViewSet):
    """All products, published or not. The `ETag` of an answer is the version of what can be edited."""

    required_scopes = {
        "list": scopes.PRODUCTS_READ, "retrieve": scopes.PRODUCTS_READ,
        "create": scopes.PRODUCTS_WRITE, "partial_update": scopes.PRODUCTS_WRITE,
        "publish": scopes.PRODUCTS_WRITE, "withdraw": scopes.PRODUCTS_WRITE,
        "pause": scopes.PRODUCTS_WRITE, "resume": scopes.PRODUCTS_WRITE,
    }  # fmt: skip
    parameters = {"list": LIST}

    def list(self, request: Request) -> HttpResponse:
        filters = {name: value for name, value in self.query.items() if name not in newest_first.PARAMETERS}
        rows = availability.annotate(Product.objects.filter(**filters))
        return newest_first.page(request, self.query, rows, render=_render)

    def create(self, request: Request) -> HttpResponse:
        body = NewProduct.validated(request.data)

        def verb() -> Product:
            return products.add_unpublished(**body)

        def answer(product: Product) -> Answer:
            made = _answer(product.pk, status=HTTPStatus.CREATED)
            made.headers["Location"] = f"{request._request.path.rstrip('/')}/{product.pk}"
            return made

        with _faults_named():
            return self.change(request, verb, body=body, answer=answer, history=lambda product: (product, "Added."))

    def retrieve(self, request: Request, pk: str) -> HttpResponse:
        found = _answer(_id(pk))
        return json_response(found.data, headers=found.headers)

    def partial_update(self, request: Request, pk: str) -> HttpResponse:
        product_id, changes = _id(pk), ProductChanges.validated(request.data)
        if not changes:
            raise InvalidRequest("Name what is to be changed.", pointer="#", error_code="empty")
        expected = expected_tags(request._request)

        def verb() -> Product:
            return products.edit(product_id, expected=expected, changes=changes)

        with _faults_named():
            return self.change(request, verb, body=changes, answer=lambda product: _answer(product.pk))

    def publish(self, request: Request, pk: str) -> HttpResponse:
        return self._ensure(request, pk, Change.PUBLISH)

    def withdraw(self, request: Request, pk: str) -> HttpResponse:
        return self._ensure(request, pk, Change.WITHDRAW)

    def pause(self, request: Request, pk: str) -> HttpResponse:
        return self._ensure(request, pk, Change.PAUSE)

    def resume(self, request: Request, pk: str) -> HttpResponse:
        return self._ensure(request, pk, Change.RESUME)

    def _ensure(self, request: Request, pk: str, change: Change) -> HttpResponse:
        product_id, body = _id(pk), Note.validated(request.data)

        def verb() -> Outcome:
            return products.ensure(change, product_id)

        def history(outcome: Outcome) -> tuple[Product, str] | None:
            is_told = outcome.is_changed and "note" in body
            return (outcome.product, f"{DONE[change]} Note: {body['note']}") if is_told else None

        return self.change(
            request, verb, body=body, answer=lambda outcome: _answer(outcome.product.pk), history=history
        )


@dataclass(frozen=True)
class _Adjusted:
    """An adjustment, and the product after it."""

    adjustment: StockAdjustment
    view: ProductView


class StockAdjustmentViewSet(BackofficeViewSet):
    """Changes of a product's total. The history of the product shows them."""

    required_scopes = {"create": scopes.STOCK_WRITE}

    def create(self, request: Request, pk: str) -> HttpResponse:
        product_id, body = _id(pk), NewStockAdjustment.validated(request.data)

        def verb() -> StockAdjustment:
            try:
                with stock_locks.entered():
                    return inventory.adjust(product_id=product_id, **body)
            except Stock.DoesNotExist as error:
                raise NotFound from error

        def answer(adjustment: StockAdjustment) -> Answer:
            adjusted = _Adjusted(adjustment, _view(adjustment.product_id))
            return Answer(status=HTTPStatus.CREATED, data=StockAdjustmentOut.data_of(adjusted))

        return self.change(request, verb, body=body, answer=answer)


@contextlib.contextmanager
def _faults_named() -> Iterator[None]:
    """Translate what the model refuses into faults of the members of the body."""
    try:
        yield
    except ValidationError as error:
        detail: Any = get_error_detail(error)
        if isinstance(detail, dict) and NON_FIELD_ERRORS in detail:
            detail["non_field_errors"] = detail.pop(NON_FIELD_ERRORS)
        raise serializers.ValidationError(detail) from error


def _answer(product_id: int, *, status: int = HTTPStatus.OK) -> Answer:
    view = _view(product_id)
    etag = f'"{products.version_of(view.product)}"'
    return Answer(status=status, data=BackofficeProductOut.data_of(view), headers={"ETag": etag})


def _render(rows: Sequence[Any]) -> list[dict[str, Any]]:
    return [BackofficeProductOut.data_of(availability.view_of(row)) for row in rows]


def _view(product_id: int) -> ProductView:
    """Return the product as it is now, in a transaction as that has made it. Raises `NotFound`."""
    views = availability.read(Product.objects.filter(pk=product_id))
    if not views:
        raise NotFound("There is no such product.")
    return views[0]


def _id(text: str) -> int:
    value = parse_id(text)
    if value is None:
        raise NotFound
    return value

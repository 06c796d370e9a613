"""Paths of the API without an endpoint: the index at its base, and 404 for every other one."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from rest_framework import views

from flashsale.core import refusals
from flashsale.core.rest import scopes
from flashsale.core.rest.headers import HTTP_METHODS
from flashsale.core.rest.views import AcyclicView, json_response

# The members of the index, and the URL patterns that they lead to.
LINKS = {"documentation": "docs", "openapi": "schema", "problems": "problem-list", "products": "product-list"}


class ApiIndexView(AcyclicView, views.APIView):
    """Answers the base of the API (`/api/v1`, `/api`) with absolute links to its documentation and products."""

    http_method_names = HTTP_METHODS
    # Not an operation of the OpenAPI document.
    schema = None
    rate_scopes = {None: "reads"}
    required_scopes = {None: scopes.STOREFRONT}

    def get(self, request: HttpRequest) -> HttpResponse:
        return json_response({name: request.build_absolute_uri(reverse(target)) for name, target in LINKS.items()})


class ApiNotFoundView(AcyclicView, views.APIView):
    """Answers every path under `/api` that no endpoint has."""

    def initial(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        raise refusals.NotFound("There is no such path in this API.")

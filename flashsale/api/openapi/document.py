"""The OpenAPI document as a whole, its page, and the views that serve both."""

import copy
from collections.abc import Callable, Iterable
from typing import Any

from django.conf import settings
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponse, QueryDict
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.decorators import decorator_from_middleware
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiJsonRenderer2
from drf_spectacular.views import SpectacularSwaggerSplitView
from rest_framework.renderers import TemplateHTMLRenderer
from rest_framework.views import APIView

from flashsale.api.authentication import HasDescriptionAccess

# Their extensions are found once imported.
from flashsale.api.openapi import (  # noqa: F401
    backoffice,
    backoffice_products,
    events,
    operations,
    queues,
    webhook_endpoints,
    webhooks,
)
from flashsale.api.openapi.generator import DocumentGenerator
from flashsale.api.openapi.settings import BACKOFFICE_DESCRIPTION, BACKOFFICE_TITLE
from flashsale.core import greenlets
from flashsale.core.rest import scopes
from flashsale.core.rest.conditional import RenderedBody, RenderOnce
from flashsale.core.rest.headers import BACKOFFICE_METHODS, HTTP_METHODS
from flashsale.core.rest.views import AcyclicView
from payments.providers import DEFAULT_PROVIDER, PROVIDERS
from payments.providers.base import Provider

# How long clients may cache the description; short, so that they see a new version soon.
MAX_AGE_SECONDS = 300

DESCRIPTIONS = ("/api/v1/schema", "/api/v1/docs", "/api/v1/backoffice/schema", "/api/v1/backoffice/docs")
REQUEST_ID_HEADER = {
    "X-Request-ID": {"schema": {"type": "string"}, "description": "The request's id, the same as `request_id`."}
}
CHALLENGE_HEADER = {"WWW-Authenticate": {"schema": {"type": "string"}, "description": "`Bearer`; not with webhooks."}}


BACKOFFICE_TOKENS = "Always needed, with the scope of the call; made by staff in the admin or by `make_token`."


class TokenScheme(OpenApiAuthenticationExtension):
    """Describes API tokens."""

    target_class = "flashsale.api.authentication.TokenAuthentication"
    name = "apiToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "Needed only where the shop says so (`API_ACCESS=token`); made by staff in the admin.",
        }


def versioned_endpoints(endpoints: Iterable[tuple]) -> list[tuple]:
    """Return the endpoints under /api/v1, without the optional slash at the end (a preprocessing hook).

    Left out are the same endpoints under /api, and the description itself.
    """
    endpoints = [
        (path.rstrip("/"), regex, method, view)
        for path, regex, method, view in endpoints
        if path.startswith("/api/v1/") and not path.startswith(DESCRIPTIONS)
    ]
    # drf-spectacular gives a path's methods in no fixed order.
    paths = list(dict.fromkeys(path for path, *_ in endpoints))
    return sorted(
        endpoints, key=lambda endpoint: (paths.index(endpoint[0]), BACKOFFICE_METHODS.index(endpoint[2].lower()))
    )


def finish_document(result: dict[str, Any], generator: DocumentGenerator, **_: Any) -> dict[str, Any]:
    """Complete the document (a postprocessing hook): headers of every answer; the storefront's tokens are optional."""
    for methods in result["paths"].values():
        for operation in methods.values():
            if operation.get("security") and not generator.is_backoffice:
                operation["security"] = [{}, *operation["security"]]
            for status, response in operation["responses"].items():
                response.setdefault("headers", {}).update(
                    REQUEST_ID_HEADER | (CHALLENGE_HEADER if status == "401" else {})
                )
            if "requestBody" in operation:
                operation["requestBody"]["required"] = _is_needed(operation["requestBody"])
    if generator.is_backoffice:
        result["components"]["securitySchemes"][TokenScheme.name]["description"] = BACKOFFICE_TOKENS
        result["webhooks"] = webhooks.webhooks()
        result["info"] |= {"title": BACKOFFICE_TITLE, "description": BACKOFFICE_DESCRIPTION}
    else:
        _describe_providers(result["paths"])
    return result


def _is_needed(body: dict[str, Any]) -> bool:
    """Say whether a body must be sent: not where `{}` would do, which an absent one equals."""
    schema = body["content"]["application/json"]["schema"]
    may_be_empty = schema.get("additionalProperties") is False and not {"required", "minProperties"} & schema.keys()
    return not may_be_empty


def _describe_providers(paths: dict[str, Any]) -> None:
    """Replace the path of any provider's webhook by one path for each provider."""
    of_any = paths.pop("/api/v1/payments/webhooks/{provider}")["post"]
    default = PROVIDERS[DEFAULT_PROVIDER]
    _describe_webhook(paths["/api/v1/payments/webhook"]["post"], "receiveEvent", "A payment event", default)
    for provider in PROVIDERS.values():
        if provider is default:
            continue
        operation = copy.deepcopy(of_any)
        name = provider.title.replace(" ", "")
        _describe_webhook(operation, f"receive{name}Event", f"An event of {provider.title}", provider)
        paths[f"/api/v1/payments/webhooks/{provider.name}"] = {"post": operation}


def _describe_webhook(operation: dict[str, Any], operation_id: str, summary: str, provider: Provider) -> None:
    operation |= {"operationId": operation_id, "summary": summary}
    operation["description"] += f" Signed over the raw bytes as {provider.title} specifies."
    parameters = operation["parameters"]
    operation["parameters"] = [header for header in parameters if header["name"] in provider.signature_headers]
    operation["requestBody"]["content"]["application/json"]["schema"] = provider.body_schema


class _DescriptionView(AcyclicView, APIView):
    """Base of the two views: answers are rendered once, counted as reads, and need a token where the API does."""

    http_method_names = HTTP_METHODS
    permission_classes = (HasDescriptionAccess,)
    rate_scopes = {None: "reads"}
    required_scopes = {None: scopes.STOREFRONT}

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Callable[..., HttpResponse]:
        """Return the view function with the session of staff, who may read the description (`HasDescriptionAccess`)."""
        # Sessions are read from PostgreSQL, and rendering takes long.
        return greenlets.offloaded(decorator_from_middleware(SessionMiddleware)(super().as_view(**initkwargs)))

    def finalize_response(
        self, request: HttpRequest, response: HttpResponse, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        if response.status_code < 400:
            shared = "private" if settings.API_ACCESS == "token" else "public"
            response.headers["Cache-Control"] = f"{shared}, max-age={MAX_AGE_SECONDS}"
        return super().finalize_response(request, response, *args, **kwargs)


class SchemaView(_DescriptionView):
    """The OpenAPI document of the storefront."""

    is_backoffice = False

    renderer_classes = (OpenApiJsonRenderer, OpenApiJsonRenderer2)

    def get(self, request: HttpRequest) -> HttpResponse:
        return _schemas.get((self.is_backoffice, type(request.accepted_renderer))).response(request)


class DocsView(_DescriptionView):
    """The browsable page (Swagger UI, from this server only); with `?script` the script that starts it."""

    names = ("schema", "docs")

    renderer_classes = (TemplateHTMLRenderer,)

    def get(self, request: HttpRequest) -> HttpResponse:
        return _docs.get((*self.names, "script" in request.GET)).response(request)


class BackofficeSchemaView(SchemaView):
    """The OpenAPI document of the back office, for every token."""

    is_backoffice = True
    required_scopes = {None: scopes.ANY}


class BackofficeDocsView(DocsView):
    """The page of the back office's document, for every token."""

    names = ("backoffice-schema", "backoffice-docs")
    required_scopes = {None: scopes.ANY}


def _schema(which: tuple[bool, type[OpenApiJsonRenderer]]) -> RenderedBody:
    is_backoffice, renderer = which
    document = DocumentGenerator(is_backoffice=is_backoffice).get_schema(request=None, public=True)
    return RenderedBody.of(renderer().render(document), renderer.media_type)


def _docs_page(which: tuple[str, str, bool]) -> RenderedBody:
    """Return drf-spectacular's page of /api/v1, independent of the request that came first."""
    schema, docs, is_script = which
    view, request = SpectacularSwaggerSplitView(), HttpRequest()
    view.url, view.url_self = reverse(schema), reverse(docs)
    request.GET = QueryDict("script=" if is_script else "")
    answer = view.get(request)
    body = render_to_string(answer.template_name, answer.data)
    return RenderedBody.of(body.encode(), "application/javascript" if is_script else "text/html; charset=utf-8")


_schemas: RenderOnce[tuple[bool, type[OpenApiJsonRenderer]]] = RenderOnce(_schema)
_docs: RenderOnce[tuple[str, str, bool]] = RenderOnce(_docs_page)

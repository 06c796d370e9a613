"""The OpenAPI document as a whole, and its page."""

from collections.abc import Iterable
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerSplitView

from flashsale.core.http import HTTP_METHODS
from flashsale.openapi import operations  # noqa: F401 - its extensions are found once it is imported
from flashsale.openapi.bodies import EVENT, STRIPE_EVENT

ALWAYS = {"X-Request-ID": {"schema": {"type": "string"}, "description": "Names the request, as `request_id` does."}}
CHALLENGE = {"WWW-Authenticate": {"schema": {"type": "string"}, "description": "`Bearer`; not with webhooks."}}


class TokenDocumented(OpenApiAuthenticationExtension):
    """The API tokens that staff make."""

    target_class = "flashsale.tokens.TokenAuthentication"
    name = "apiToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "Needed only where the shop says so (`API_ACCESS=token`); made by staff in the admin.",
        }


def only_versioned(endpoints: Iterable[tuple]) -> list[tuple]:
    """Leave out the unversioned paths, which answer the same, and the slash that paths may end with."""
    kept = [
        (path.rstrip("/"), regex, method, view)
        for path, regex, method, view in endpoints
        if path.startswith("/api/v1/") and not path.startswith(("/api/v1/schema", "/api/v1/docs"))
    ]
    # A path's methods come in no order of their own.
    paths = list(dict.fromkeys(path for path, *_ in kept))
    return sorted(kept, key=lambda found: (paths.index(found[0]), HTTP_METHODS.index(found[2].lower())))


def finished(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Say that a token may be absent where the shop is open to everybody, and tell the providers' webhooks apart."""
    for methods in result["paths"].values():
        for operation in methods.values():
            if operation.get("security"):
                operation["security"] = [{}, *operation["security"]]
            for status, response in operation["responses"].items():
                response.setdefault("headers", {}).update(ALWAYS | (CHALLENGE if status == "401" else {}))
            if "requestBody" in operation:
                operation["requestBody"]["required"] = True
    paths = result["paths"]
    of_provider = paths.pop("/api/v1/payments/webhooks/{provider}")["post"]
    paths["/api/v1/payments/webhooks/stripe"] = {"post": of_provider}
    _told_apart(paths["/api/v1/payments/webhook"]["post"], "receiveEvent", "A payment event", "webhook-", EVENT)
    _told_apart(of_provider, "receiveStripeEvent", "An event of Stripe", "Stripe-", STRIPE_EVENT)
    return result


def _told_apart(operation: dict[str, Any], name: str, summary: str, headers: str, body: dict[str, Any]) -> None:
    operation |= {"operationId": name, "summary": summary}
    operation["parameters"] = [given for given in operation["parameters"] if given["name"].startswith(headers)]
    operation["requestBody"]["content"]["application/json"]["schema"] = body


class SchemaView(SpectacularJSONAPIView):
    """The OpenAPI document."""

    http_method_names = HTTP_METHODS
    throttle_classes = ()


class DocsView(SpectacularSwaggerSplitView):
    """A browsable page of it that loads nothing from elsewhere."""

    http_method_names = HTTP_METHODS
    throttle_classes = ()

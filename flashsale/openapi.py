"""The OpenAPI document: what drf-spectacular cannot see in the code, and its page.

The extensions below describe the apps' views from outside, so that the apps stay free of documentation plumbing.
"""

import functools
from collections.abc import Callable, Iterable
from typing import Any

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension, OpenApiViewExtension
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
    extend_schema_serializer,
)
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerSplitView
from rest_framework import serializers

from catalog.serializers import ProductOut
from checkout.models import CUSTOMER_ID_LENGTH, PAYMENT_ID_LENGTH
from checkout.serializers import HoldOut, OrderOut
from flashsale import openapi_examples as examples
from flashsale.core.http import HTTP_METHODS, MAX_ID, MAX_INTEGER
from flashsale.problems import BY_CODE
from payments.models import EVENT_ID_LENGTH
from payments.serializers import ReceiptOut

for name, serializer in {"Product": ProductOut, "Hold": HoldOut, "Order": OrderOut, "Receipt": ReceiptOut}.items():
    extend_schema_serializer(component_name=name)(serializer)

PROBLEM_JSON = "application/problem+json"
UUID = {"type": "string", "format": "uuid"}
# Text that PostgreSQL can store.
TEXT = {"type": "string", "minLength": 1, "pattern": "^[^\\u0000]+$"}
# What any request may be answered with, whatever it asks for.
ANYWHERE = ("not_acceptable", "internal_error", "busy")
# What any request that is not a provider's may be answered with.
FROM_CLIENTS = (*ANYWHERE, "not_authenticated")
WITH_A_BODY = ("invalid", "payload_too_large", "unsupported_media_type")

PLACE_HOLD = {
    "type": "object",
    "properties": {
        "product_id": {"type": "integer", "minimum": -MAX_ID, "maximum": MAX_ID},
        "quantity": {"type": "integer", "minimum": 1, "maximum": MAX_INTEGER, "description": "Units."},
        "qty": {"type": "integer", "minimum": 1, "maximum": MAX_INTEGER, "description": "The same as `quantity`."},
        "ttl": {
            "type": "integer",
            "minimum": settings.HOLD_TTL_MIN_SECONDS,
            "maximum": settings.HOLD_TTL_MAX_SECONDS,
            "default": settings.HOLD_TTL_SECONDS,
            "description": "For how many seconds the units are set aside.",
        },
        "customer_id": TEXT
        | {
            "maxLength": CUSTOMER_ID_LENGTH,
            "description": "Whom `max_per_customer` counts for; required when the product has such a limit. It is what"
            " the caller says: the limit protects only where a trusted back end supplies it.",
        },
    },
    "required": ["product_id"],
    "oneOf": [{"required": ["quantity"]}, {"required": ["qty"]}],
}
PAYMENT_ID = {"type": ["string", "null"], "minLength": 1, "maxLength": PAYMENT_ID_LENGTH, "pattern": "^[^\\u0000]+$"}
PLACE_ORDER = {
    "type": "object",
    "properties": {
        "hold_id": UUID,
        "payment_id": PAYMENT_ID | {"description": "The provider's id for the payment, if there is one already."},
        "payment_intent_id": PAYMENT_ID | {"description": "The same as `payment_id`."},
    },
    "required": ["hold_id"],
    "not": {"required": ["payment_id", "payment_intent_id"]},
}
EVENT = {
    "type": "object",
    "properties": {
        "idempotency_key": TEXT
        | {"maxLength": EVENT_ID_LENGTH, "description": "The event's id; else the `webhook-id` header."},
        "status": {
            "description": "`success`, `failure` (or `failed`), `refunded`; anything else is stored and ignored."
        },
        "order_id": {"description": "Which order it is about: its UUID."},
        "hold_id": {"description": "Or the hold that it was, or will be, made of."},
        "payment_id": {"description": "Or the provider's id of the payment (`payment_intent_id` is accepted)."},
        "amount": {"description": "A number or a decimal string, in units of `currency`; checked when given."},
        "currency": {"description": "An ISO 4217 code in any case; checked when given."},
    },
    "required": ["idempotency_key"],
}
STRIPE_EVENT = {
    "type": "object",
    "properties": {
        "id": TEXT | {"maxLength": EVENT_ID_LENGTH, "description": "The event's id."},
        "type": {"description": "Such as `payment_intent.succeeded`; unknown types are stored and ignored."},
        "livemode": {"description": "Must be that of this shop (`STRIPE_LIVEMODE`)."},
        "data": {"description": "`object`: the payment intent, session, charge or refund."},
    },
    "required": ["id"],
}


class Fault(serializers.Serializer):
    """One thing that is wrong with a request."""

    pointer = serializers.CharField(help_text="A JSON pointer into the body, or `#header/...`, `#query/...`.")
    code = serializers.CharField()
    detail = serializers.CharField()


class Problem(serializers.Serializer):
    """Why the API did not do what it was asked (RFC 9457); further members depend on `code`."""

    type = serializers.CharField(help_text="Where the code is explained.")
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField(help_text="For people.")
    code = serializers.ChoiceField(choices=sorted(BY_CODE), help_text="For programs.")
    request_id = serializers.CharField(allow_null=True, help_text="Name it when you ask for help.")
    errors = Fault(many=True, required=False, help_text="With `invalid`: what is wrong, and where.")
    available = serializers.IntegerField(required=False, help_text="With `insufficient_stock`: units left.")
    limit = serializers.IntegerField(required=False, help_text="With `limit_exceeded`: units allowed.")
    order_id = serializers.UUIDField(required=False, help_text="With `hold_already_used`: the order made of it.")
    sale_starts_at = serializers.DateTimeField(required=False, help_text="With `sale_not_started`.")
    sale_ends_at = serializers.DateTimeField(required=False, help_text="With `sale_ended`.")
    paused_at = serializers.DateTimeField(required=False, help_text="With `sale_paused`.")


def header(name: str, description: str, *statuses: int, kind: type = str) -> OpenApiParameter:
    """Describe a header of the answers with these statuses."""
    return OpenApiParameter(name, kind, OpenApiParameter.HEADER, description=description, response=list(statuses))


def asked(name: str, description: str, location: str = OpenApiParameter.HEADER, **kwargs: Any) -> OpenApiParameter:
    """Describe an optional header or query parameter of a request."""
    return OpenApiParameter(name, kwargs.pop("type", str), location, description=description, **kwargs)


def problems(*codes: str) -> dict[tuple[int, str], OpenApiResponse]:
    """Describe the problem documents an operation may answer with: one response for each status."""
    by_status: dict[int, list[str]] = {}
    for code in codes:
        by_status.setdefault(BY_CODE[code].status, []).append(code)
    return {
        (status, PROBLEM_JSON): OpenApiResponse(
            Problem,
            description=" ".join(f"`{code}`: {BY_CODE[code].meaning}" for code in named),
            examples=[examples.of_problem(BY_CODE[code]) for code in named],
        )
        for status, named in sorted(by_status.items())
    }


def ok(serializer: Any, description: str, example: dict | None, *, status: int = 200) -> dict:
    """Describe a good answer."""
    shown = [OpenApiExample(description, value=example, response_only=True)] if example else []
    return {(status, "application/json"): OpenApiResponse(serializer, description=description, examples=shown)}


def retry_after(*codes: str) -> OpenApiParameter:
    """Describe `Retry-After` on the answers with these codes."""
    statuses = sorted({BY_CODE[code].status for code in codes})
    return header("Retry-After", "Seconds to wait before asking again.", *statuses, kind=int)


def an_id(thing: str, kind: Any = OpenApiTypes.UUID) -> OpenApiParameter:
    """Describe the id in a path."""
    return OpenApiParameter("id", kind, OpenApiParameter.PATH, description=f"The {thing}'s id.")


def of_a_scope(scope: str) -> list[OpenApiParameter]:
    """Describe the headers of a rate-limited answer."""
    every = [200, 201, 204, 304, 429]
    return [
        header("RateLimit-Policy", f"The quota: requests (`q`) in a window of seconds (`w`), scope `{scope}`.", *every),
        header("RateLimit", "What is left of it (`r`), and in how many seconds there is more (`t`).", *every),
        retry_after("throttled", "busy"),
    ]


IDEMPOTENCY_KEY = asked(
    "Idempotency-Key",
    "16 to 255 printable ASCII characters, random, one for each purchase. The same key with an equal body answers what"
    " it made before, in its present state; with another body it is refused.",
    type={"type": "string", "minLength": 16, "maxLength": 255, "pattern": "^[!#-~][ -~]*[!#-~]$"},
)
CONDITION = asked("If-None-Match", "An `ETag` from before: 304 when nothing changed since.")
CACHED = [
    header("ETag", "Changes when anything in the answer does.", 200, 304),
    header("Cache-Control", "`public, max-age=1`; `private` with a token.", 200, 304),
]
NOT_MODIFIED = {304: OpenApiResponse(None, description="Nothing changed since the given `ETag`.")}
MADE = [
    header("Location", "The path of what was made.", 201),
    header("Idempotent-Replayed", "`true` when the key's earlier request made it.", 201),
]


def documented(target: str, **operations: Callable) -> None:
    """Describe the operations of a view, named by its path, from outside."""

    def view_replacement(self: OpenApiViewExtension) -> type:
        view = self.target_class
        described = {name: describe(_copy_of(getattr(view, name))) for name, describe in operations.items()}
        return type(view.__name__, (view,), described)

    type("Described", (OpenApiViewExtension,), {"target_class": target, "view_replacement": view_replacement})


def _copy_of(method: Callable) -> Callable:
    """Return a method that can be described without touching the one that answers requests."""

    @functools.wraps(method)
    def copy(*args: Any, **kwargs: Any) -> Any:
        return method(*args, **kwargs)

    return copy


documented(
    "catalog.views.ProductViewSet",
    list=extend_schema(
        operation_id="listProducts", summary="What is on sale", tags=["products"],
        parameters=[
            asked("cursor", "From `next` or `previous`.", OpenApiParameter.QUERY),
            CONDITION, *CACHED, *of_a_scope("reads"),
        ],
        responses=ok(ProductOut(many=True), "A page of products", examples.PAGE) | NOT_MODIFIED
        | problems("invalid", "throttled", *FROM_CLIENTS),
    ),
    retrieve=extend_schema(
        operation_id="getProduct", summary="One product", tags=["products"],
        parameters=[an_id("product", int), CONDITION, *CACHED, *of_a_scope("reads")],
        responses=ok(ProductOut, "The product", examples.PRODUCT) | NOT_MODIFIED
        | problems("not_found", "throttled", *FROM_CLIENTS),
    ),
)  # fmt: skip
documented(
    "checkout.views.HoldViewSet",
    create=extend_schema(
        operation_id="placeHold", summary="Set units aside", tags=["holds"],
        description="Sets units of a product aside for one buyer. It is refused for the first of: unknown product, not"
        " started, ended, paused, over `max_per_hold`, over `max_per_customer`, too few units.",
        parameters=[
            IDEMPOTENCY_KEY, *MADE, *of_a_scope("holds")[:2], retry_after("sale_not_started", "throttled", "busy"),
        ],
        request={"application/json": PLACE_HOLD}, examples=[examples.of_request(examples.PLACE_HOLD)],
        responses=ok(HoldOut, "The hold", examples.HOLD, status=201)
        | problems(
            "not_found", "sale_not_started", "sale_ended", "sale_paused", "limit_exceeded", "insufficient_stock",
            "idempotency_key_reused", "outcome_unknown", "throttled", *WITH_A_BODY, *FROM_CLIENTS,
        ),
    ),
    retrieve=extend_schema(
        operation_id="getHold", summary="A hold", tags=["holds"], parameters=[an_id("hold"), *of_a_scope("reads")],
        responses=ok(HoldOut, "The hold", examples.HOLD) | problems("not_found", "throttled", *FROM_CLIENTS),
    ),
    destroy=extend_schema(
        operation_id="releaseHold", summary="Give a hold up", tags=["holds"],
        description="Gives the units back. One that ended without an order stays as it is, with the same answer.",
        parameters=[an_id("hold"), *of_a_scope("changes")],
        responses={204: OpenApiResponse(None, description="It is given up.")}
        | problems("not_found", "hold_already_used", "outcome_unknown", "throttled", *FROM_CLIENTS),
    ),
)  # fmt: skip
documented(
    "checkout.views.OrderViewSet",
    create=extend_schema(
        operation_id="placeOrder", summary="Turn a hold into an order", tags=["orders"],
        description="The buyer wants to pay. A payment event that came before is applied at once, so that the order may"
        " already be `paid` or `cancelled`.",
        parameters=[IDEMPOTENCY_KEY, *MADE, *of_a_scope("changes")],
        request={"application/json": PLACE_ORDER}, examples=[examples.of_request(examples.PLACE_ORDER)],
        responses=ok(OrderOut, "The order", examples.ORDER, status=201)
        | problems(
            "not_found", "hold_expired", "hold_already_used", "hold_released", "payment_id_in_use",
            "idempotency_key_reused", "outcome_unknown", "throttled", *WITH_A_BODY, *FROM_CLIENTS,
        ),
    ),
    retrieve=extend_schema(
        operation_id="getOrder", summary="An order", tags=["orders"],
        description="Poll it after paying, once a second or less often; this is not rate limited.",
        parameters=[an_id("order"), retry_after("busy")],
        responses=ok(OrderOut, "The order", examples.ORDER) | problems("not_found", *FROM_CLIENTS),
    ),
    cancel=extend_schema(
        operation_id="cancelOrder", summary="Cancel an order", tags=["orders"], request=None,
        description="Gives the units back. A cancelled order stays cancelled, and the answer is the same.",
        parameters=[an_id("order"), *of_a_scope("changes")],
        responses=ok(OrderOut, "The cancelled order", examples.CANCELLED)
        | problems(
            "not_found", "order_already_paid", "order_not_pending", "outcome_unknown", "throttled", *FROM_CLIENTS,
        ),
    ),
)  # fmt: skip


SIGNATURES = [
    asked("webhook-id", "Standard Webhooks: the message's id."),
    asked("webhook-timestamp", "Standard Webhooks: Unix time in seconds, at most five minutes off."),
    asked("webhook-signature", "Standard Webhooks: `v1,` and the base64 of the HMAC-SHA256; several, by spaces."),
    asked("Stripe-Signature", "Stripe: `t=...,v1=...`."),
]
documented(
    "payments.views.WebhookView",
    post=extend_schema(
        tags=["payment webhooks"], auth=[],
        description="What a payment provider says: stored first, then believed. Signed over the raw bytes, as Standard"
        " Webhooks says or, at `/payments/webhooks/stripe`, as Stripe does.",
        parameters=[
            *SIGNATURES, header("Idempotent-Replayed", "`true`: stored before.", 200, 202), retry_after("busy"),
        ],
        request={"application/json": EVENT},
        responses=ok(ReceiptOut, "Applied, ignored, or for staff to look at", examples.RECEIPT)
        | ok(ReceiptOut, "Stored, not finished yet", examples.PARKED_RECEIPT, status=202)
        | problems("signature_invalid", *WITH_A_BODY, *ANYWHERE),
    ),
)  # fmt: skip


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
    for operations in result["paths"].values():
        for operation in operations.values():
            if operation.get("security"):
                operation["security"] = [{}, *operation["security"]]
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

"""Parts of operations in the OpenAPI document: headers, ids in paths, problem documents, successful answers."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    extend_schema_serializer,
    inline_serializer,
)
from rest_framework import serializers

from flashsale.api.errors import PROBLEM_JSON
from flashsale.api.openapi import examples
from flashsale.api.problem_codes import BY_CODE, members
from flashsale.core.backoffice.views import BackofficeViewSet

# Problems that any request may be answered with.
ANY_REQUEST = ("not_acceptable", "internal_error", "busy")
# Problems that any request except a webhook may be answered with.
ANY_CLIENT_REQUEST = (*ANY_REQUEST, "not_authenticated", "scope_missing")
WITH_A_BODY = ("invalid", "payload_too_large", "unsupported_media_type")


class Problem(serializers.Serializer):
    """Why a request failed (RFC 9457); further members depend on `code`."""

    type = serializers.CharField(help_text="The page that explains the code.")
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField(help_text="For people.")
    code = serializers.ChoiceField(choices=sorted(BY_CODE), help_text="For programs.")
    request_id = serializers.CharField(allow_null=True, help_text="Name it when you ask for help.")

    def get_fields(self) -> dict[str, serializers.Field]:
        """Return these fields and, optional, the extra members of all problems."""
        return super().get_fields() | {
            member.name: member.kind(required=False, help_text=f"With `{problem.code}`: {member.meaning}")
            for problem, member in members()
        }


def response_header(name: str, description: str, *statuses: int, kind: type = str) -> OpenApiParameter:
    """Describe a header of the answers with these statuses."""
    return OpenApiParameter(name, kind, OpenApiParameter.HEADER, description=description, response=list(statuses))


def request_parameter(
    name: str, description: str, location: str = OpenApiParameter.HEADER, **kwargs: Any
) -> OpenApiParameter:
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
            description=" ".join(f"`{code}`: {BY_CODE[code].meaning}" for code in codes_of_status),
            examples=[examples.of_problem(BY_CODE[code]) for code in codes_of_status],
        )
        for status, codes_of_status in sorted(by_status.items())
    }


def success(serializer: Any, description: str, example: dict[str, Any], *, status: int = 200) -> dict:
    """Describe a successful answer; members that `example` does not have get a value by their type."""
    value = examples.completed(serializer, example)
    answers = [OpenApiExample(description, value=value, response_only=True)]
    return {(status, "application/json"): OpenApiResponse(serializer, description=description, examples=answers)}


def retry_after_header(*codes: str) -> OpenApiParameter:
    """Describe `Retry-After` on the answers with these codes."""
    statuses = sorted({BY_CODE[code].status for code in codes})
    return response_header("Retry-After", "Seconds to wait before asking again.", *statuses, kind=int)


def id_in_path(thing: str, kind: Any = OpenApiTypes.UUID) -> OpenApiParameter:
    """Describe the id in a path."""
    return OpenApiParameter("id", kind, OpenApiParameter.PATH, description=f"The {thing}'s id.")


def query_of(view: type[BackofficeViewSet], action: str) -> list[OpenApiParameter]:
    """Describe the query parameters of an action of the back office."""
    known = view.parameters.get(action, {})
    return [
        request_parameter(name, one.meaning, OpenApiParameter.QUERY, type=dict(one.schema))
        for name, one in known.items()
    ]


def needs_scope(view: type[BackofficeViewSet], action: str) -> str:
    """Return the sentence that names the scope of an action."""
    return f"Needs a token with the scope `{view.required_scopes[action]}`."


def page_of(serializer: type[serializers.Serializer], name: str, description: str, example: dict[str, Any]) -> dict:
    """Describe a page of a list of the back office, whose results are rendered by `serializer`."""
    link = serializers.URLField(allow_null=True, help_text="The page of older rows.")
    never = serializers.URLField(allow_null=True, help_text="Always null: pages are read forward only.")
    page = inline_serializer(f"PageOf{name}", {"next": link, "previous": never, "results": serializer(many=True)})
    # It is an object, although the action is a list.
    extend_schema_serializer(many=False)(type(page))
    value = {"next": None, "previous": None, "results": [examples.completed(serializer, example)]}
    answers = [OpenApiExample(description, value=value, response_only=True)]
    return {(200, "application/json"): OpenApiResponse(page, description=description, examples=answers)}


def rate_limit_headers(scope: str) -> list[OpenApiParameter]:
    """Describe the headers of answers that count in this rate scope."""
    statuses = [200, 201, 204, 304, 429]
    return [
        response_header(
            "RateLimit-Policy", f"The quota: requests (`q`) in a window of seconds (`w`), scope `{scope}`.", *statuses
        ),
        response_header("RateLimit", "Requests left (`r`), and in how many seconds there are more (`t`).", *statuses),
        retry_after_header("throttled", "busy"),
    ]


IDEMPOTENCY_KEY = request_parameter(
    "Idempotency-Key",
    "16 to 255 printable ASCII characters, random, one for each purchase. The same key with an equal body answers the"
    " resource that it created, in its present state; with another body it is refused.",
    type={"type": "string", "minLength": 16, "maxLength": 255, "pattern": "^[!#-~][ -~]*[!#-~]$"},
)
REQUIRED_KEY = request_parameter(
    "Idempotency-Key",
    "16 to 255 printable ASCII characters, random, one for each change. The same key with an equal request answers what"
    " the first one was answered, for 30 days; with another request it is refused.",
    type={"type": "string", "minLength": 16, "maxLength": 255, "pattern": "^[!#-~][ -~]*[!#-~]$"},
    required=True,
)
OPTIONAL_KEY = request_parameter(
    "Idempotency-Key",
    "16 to 255 printable ASCII characters, random, one for each change. The same key with an equal request answers what"
    " the first one was answered, for 30 days, a secret for one day; with another request it is refused.",
    type={"type": "string", "minLength": 16, "maxLength": 255, "pattern": "^[!#-~][ -~]*[!#-~]$"},
)
REPLAYED = response_header("Idempotent-Replayed", "`true` when this is the stored answer.", 200, 201, 202, 204)
# Problems that any request to the back office may be answered with; and those of a POST besides.
ANY_BACKOFFICE_REQUEST = (*ANY_CLIENT_REQUEST, "invalid", "throttled")
ANY_CHANGE = (
    "idempotency_key_reused", "payload_too_large", "unsupported_media_type", "outcome_unknown", *ANY_BACKOFFICE_REQUEST,
)  # fmt: skip
IF_NONE_MATCH = request_parameter("If-None-Match", "The `ETag` of an earlier answer: 304 when nothing has changed.")
QUEUE_TICKET = request_parameter(
    "Queue-Ticket",
    "A ticket as the queue of the product gave it (`joinQueue`); it does not count for a product without a queue.",
)
CACHE_HEADERS = [
    response_header("ETag", "Changes when anything in the answer does.", 200, 304),
    response_header("Cache-Control", "`public, max-age=1`; `private` with a token.", 200, 304),
]
NOT_MODIFIED = {304: OpenApiResponse(None, description="Nothing changed since the given `ETag`.")}
CREATED_HEADERS = [
    response_header("Location", "The path of the new resource.", 201),
    response_header("Idempotent-Replayed", "`true` when an earlier request with this key created it.", 201),
]

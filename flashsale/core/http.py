"""Strict input over HTTP: bodies, fields, cursors. Nothing is coerced, so nothing is misread."""

import base64
import binascii
import functools
import re
import uuid
from http import HTTPStatus
from typing import Any, ClassVar
from urllib.parse import parse_qs

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from rest_framework import exceptions, serializers
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.pagination import CursorPagination
from rest_framework.parsers import BaseParser
from rest_framework.renderers import JSONRenderer

from flashsale.core import refusals, strict_json

# How the OpenAPI document describes an amount.
MONEY = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?$", "examples": ["29.99"]}
# Every view's `http_method_names`: OPTIONS has nothing to say here, and `Allow` must not name it.
HTTP_METHODS = ("get", "head", "post", "delete")
MAX_INTEGER = 2**31 - 1
MAX_ID = 2**63 - 1
IDEMPOTENCY_KEY_HEADER = "Idempotency-Key"
_IDEMPOTENCY_KEY = re.compile(r"[\x20-\x7e]{16,255}", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_ID = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)


class PayloadTooLarge(exceptions.APIException):
    """The body is larger than `settings.MAX_BODY_BYTES`."""

    status_code = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    default_detail = f"The body is larger than {settings.MAX_BODY_BYTES // 1024} KiB."


class UnsupportedContentCoding(exceptions.UnsupportedMediaType):
    """The body is encoded (`Content-Encoding`); the answer says that only plain ones are read.

    Source: RFC 9110, section 15.5.16.
    """

    headers: ClassVar = {"Accept-Encoding": "identity"}

    def __init__(self, coding: str) -> None:
        exceptions.APIException.__init__(self, f"The body's content coding {coding!r} is not supported; send it plain.")


class ExactContentNegotiation(DefaultContentNegotiation):
    """Answers are negotiated as usual; a request's own media type must be a parser's, not a pattern that matches it."""

    def select_renderer(self, request, renderers, format_suffix=None):
        """Return at once what everybody gets who has no wish of their own."""
        if len(renderers) == 1 and request.META.get("HTTP_ACCEPT", "*/*") == "*/*":
            return renderers[0], renderers[0].media_type
        return super().select_renderer(request, renderers, format_suffix)

    def select_parser(self, request, parsers):
        """Return the parser of exactly this media type. Raises `UnsupportedContentCoding` for an encoded body."""
        for coding in request.headers.get("Content-Encoding", "").split(","):
            if coding.strip().lower() not in ("", "identity"):
                raise UnsupportedContentCoding(coding.strip())
        given = (request.content_type or "").partition(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == given), None)


def answer(
    data: Any, *, status: int = HTTPStatus.OK, headers: dict[str, str] | None = None, content_type: str = ""
) -> HttpResponse:
    """Return a response of JSON that is rendered now: one template response less a request."""
    body = JSONRenderer().render(data)
    return HttpResponse(body, status=status, headers=headers, content_type=content_type or JSONRenderer.media_type)


class AcyclicView:
    """Mixin of API views whose responses are rendered at once: break the reference cycles of view and request.

    A request's memory, its body included, is then freed by reference counting as soon as it is answered. The garbage
    collector runs by the number of objects and knows nothing of their size.
    """

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return super().dispatch(request, *args, **kwargs)
        finally:
            if (seen := vars(self).pop("request", None)) is not None:
                seen.parser_context.clear()
            vars(self).clear()


class StrictJSONParser(BaseParser):
    """Parse `application/json` with `flashsale.core.strict_json`; text that could not be stored is refused here."""

    media_type = "application/json"

    def parse(self, stream, media_type=None, parser_context=None) -> Any:
        raw = read_body(stream)
        try:
            value = strict_json.loads(raw)
        except strict_json.InvalidJson as error:
            raise exceptions.ParseError(str(error)) from error
        if not strict_json.all_text_is_storable(value):
            raise exceptions.ParseError("The body holds a NUL character or half of a surrogate pair.")
        return value


def read_body(stream: HttpRequest) -> bytes:
    """Return the whole body; raises `PayloadTooLarge` without reading more than the limit."""
    raw = stream.read(settings.MAX_BODY_BYTES + 1)
    if len(raw) > settings.MAX_BODY_BYTES:
        raise PayloadTooLarge
    return raw


class Pages(CursorPagination):
    """50 rows a page by ascending id; a cursor that this API did not make is 400, never a database error."""

    page_size = 50
    ordering = "id"
    invalid_cursor_message = "This cursor was not made by this API."
    _query = re.compile(r"(?:[opr]=[0-9]{1,18}&?){0,3}", re.ASCII)

    def decode_cursor(self, request):
        encoded = request.query_params.get(self.cursor_query_param)
        if encoded is not None and not self._is_ours(encoded):
            raise refusals.InvalidRequest(
                self.invalid_cursor_message, pointer="#query/cursor", error_code="invalid_cursor"
            )
        return super().decode_cursor(request)

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Describe a page as JSON Schema 2020-12 has it, which OpenAPI 3.1 follows and the original does not."""
        example = "https://shop.example.com/api/v1/products?cursor=cD01MA%3D%3D"
        link = {"type": ["string", "null"], "format": "uri", "example": example}
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {"next": link, "previous": link, "results": schema},
        }

    def _is_ours(self, encoded: str) -> bool:
        try:
            query = base64.b64decode(encoded.encode("ascii"), validate=True).decode("ascii")
        except (binascii.Error, UnicodeError, ValueError):
            return False
        return bool(self._query.fullmatch(query)) and all(len(values) == 1 for values in parse_qs(query).values())


def idempotency_key_of(request: HttpRequest) -> str | None:
    """Return the Idempotency-Key of a request, without surrounding quotes; None when it has none.

    Raises `InvalidRequest` unless it is 16 to 255 printable ASCII characters.
    """
    given = request.headers.get(IDEMPOTENCY_KEY_HEADER)
    if given is None:
        return None
    key = given.strip(" \t")
    if len(key) >= 2 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if not _IDEMPOTENCY_KEY.fullmatch(key):
        raise refusals.InvalidRequest(
            "An Idempotency-Key is 16 to 255 printable ASCII characters; use a random one for each purchase.",
            pointer=f"#header/{IDEMPOTENCY_KEY_HEADER}",
            error_code="invalid",
        )
    return key


def parse_uuid(text: str) -> uuid.UUID | None:
    """Return the UUID written in the canonical 8-4-4-4-12 form (RFC 9562), or None for anything else."""
    return uuid.UUID(text) if _UUID.fullmatch(text) else None


def parse_id(text: str) -> int | None:
    """Return the positive integer id written in plain decimal digits, or None for anything else."""
    value = int(text) if _ID.fullmatch(text) else MAX_ID + 1
    return value if value <= MAX_ID else None


class Body(serializers.Serializer):
    """What callers send; one instance checks every body, because making one copies its fields, which costs more."""

    @classmethod
    def checked(cls, data: Any) -> dict[str, Any]:
        """Return what `data` says, validated. Raises `ValidationError`."""
        return _shared(cls).run_validation(data)


class Answer(serializers.Serializer):
    """What callers are told; one instance renders every answer."""

    @classmethod
    def of(cls, instance: Any) -> dict[str, Any]:
        """Return the members of the answer about `instance`."""
        return _shared(cls).to_representation(instance)


@functools.cache
def _shared(kind: type[serializers.Serializer]) -> serializers.Serializer:
    return kind()


class StrictIntegerField(serializers.Field):
    """A JSON integer: no text, no boolean, no fraction (not even 2.0), within `min_value` and `max_value`."""

    default_error_messages = {
        "not_an_integer": "This must be an integer.",
        "too_small": "This must be at least {limit}.",
        "too_large": "This must be at most {limit}.",
    }

    def __init__(self, *, min_value: int, max_value: int = MAX_INTEGER, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.min_value = min_value
        self.max_value = max_value

    def to_internal_value(self, data: Any) -> int:
        if type(data) is not int:
            self.fail("not_an_integer")
        if data < self.min_value:
            self.fail("too_small", limit=self.min_value)
        if data > self.max_value:
            self.fail("too_large", limit=self.max_value)
        return data

    def to_representation(self, value: int) -> int:
        return value


class StrictTextField(serializers.Field):
    """A JSON string of 1 to `max_length` characters, taken as it is."""

    default_error_messages = {
        "not_text": "This must be a string.",
        "blank": "This must not be empty.",
        "too_long": "This must have at most {limit} characters.",
    }

    def __init__(self, *, max_length: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.max_length = max_length

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("not_text")
        if not data:
            self.fail("blank")
        if len(data) > self.max_length:
            self.fail("too_long", limit=self.max_length)
        return data

    def to_representation(self, value: str) -> str:
        return value


class StrictUUIDField(serializers.Field):
    """A UUID as text in its canonical form."""

    default_error_messages = {"not_a_uuid": "This must be a UUID."}

    def to_internal_value(self, data: Any) -> uuid.UUID:
        value = parse_uuid(data) if isinstance(data, str) else None
        if value is None:
            self.fail("not_a_uuid")
        return value

    def to_representation(self, value: uuid.UUID) -> str:
        return str(value)


def one_of_two_names(data: Any, *, name: str, alias: str) -> Any:
    """Return the body with `alias` moved to `name`; raises `ValidationError` when both are given and differ.

    Values are compared with their types, so that `true` and `1` differ.
    """
    if not isinstance(data, dict) or alias not in data:
        return data
    value = data[alias]
    if name in data and (type(data[name]) is not type(value) or data[name] != value):
        raise serializers.ValidationError({name: [f"{name} and {alias} are given and differ."]}, code="ambiguous")
    return {key: item for key, item in data.items() if key != alias} | {name: value}

"""Strict parsing of requests: media types, content codings, JSON bodies. Nothing is coerced."""

from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import IO, Any, ClassVar

from django.conf import settings
from django.http import HttpRequest
from rest_framework import exceptions, serializers
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from flashsale.core import strict_json


class PayloadTooLarge(exceptions.APIException):
    """The body is larger than `settings.MAX_BODY_BYTES`."""

    status_code = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    default_detail = f"The body is larger than {settings.MAX_BODY_BYTES // 1024} KiB."


class UnsupportedContentCoding(exceptions.UnsupportedMediaType):
    """The body has a `Content-Encoding`; the response's `Accept-Encoding` says that only `identity` is accepted.

    Source: RFC 9110, section 15.5.16.
    """

    headers: ClassVar = {"Accept-Encoding": "identity"}

    def __init__(self, coding: str) -> None:
        exceptions.APIException.__init__(self, f"The body's content coding {coding!r} is not supported; send it plain.")


class ExactContentNegotiation(DefaultContentNegotiation):
    """Negotiates responses as DRF does; a request's media type must equal a parser's, without patterns."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """Return the only renderer at once where the client accepts anything, or names exactly its media type."""
        choices = list(renderers)
        if len(choices) == 1 and (request._request.META.get("HTTP_ACCEPT") or "*/*") in ("*/*", choices[0].media_type):
            return choices[0], choices[0].media_type
        chosen: tuple[BaseRenderer, str] = super().select_renderer(request, choices, format_suffix)
        return chosen

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser | None:
        """Return the parser of exactly this media type. Raises `UnsupportedContentCoding` for an encoded body."""
        for coding in request._request.META.get("HTTP_CONTENT_ENCODING", "").split(","):
            if coding.strip().lower() not in ("", "identity"):
                raise UnsupportedContentCoding(coding.strip())
        media_type = (request.content_type or "").partition(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == media_type), None)


class StrictJSONParser(BaseParser):
    """Parse `application/json` strictly (see `strict_json`); text that could not be stored is refused here."""

    media_type = "application/json"

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        raw = read_body(stream)
        try:
            value = strict_json.loads(raw)
        except strict_json.InvalidJson as error:
            raise exceptions.ParseError(str(error)) from error
        if not strict_json.all_text_is_storable(value):
            raise exceptions.ParseError("The body holds a NUL character or half of a surrogate pair.")
        return value


def read_body(stream: HttpRequest | IO[bytes]) -> bytes:
    """Return the whole body; raises `PayloadTooLarge` without reading more than the limit."""
    raw = stream.read(settings.MAX_BODY_BYTES + 1)
    if len(raw) > settings.MAX_BODY_BYTES:
        raise PayloadTooLarge
    return raw


def validated_with_alias(
    validate: Callable[[Any], dict[str, Any]], data: Any, *, name: str, alias: str
) -> dict[str, Any]:
    """Return the validated values of a body in which the member `name` may be called `alias`.

    Raises `ValidationError`; a fault of that member points at the name that was sent.
    """
    try:
        return validate(merge_alias(data, name=name, alias=alias))
    except serializers.ValidationError as error:
        faults = error.detail
        if isinstance(data, dict) and alias in data and name not in data and isinstance(faults, dict):
            error.detail = {alias if member == name else member: fault for member, fault in faults.items()}
        raise


def merge_alias(data: Any, *, name: str, alias: str) -> Any:
    """Return the body with `alias` moved to `name`; raises `ValidationError` when both are given and differ.

    Values are compared with their types, so that `true` and `1` differ.
    """
    if not isinstance(data, dict) or alias not in data:
        return data
    value = data[alias]
    if name in data and (type(data[name]) is not type(value) or data[name] != value):
        raise serializers.ValidationError({name: [f"{name} and {alias} are given and differ."]}, code="ambiguous")
    return {key: item for key, item in data.items() if key != alias} | {name: value}

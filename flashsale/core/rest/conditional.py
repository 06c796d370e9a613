"""Entity tags: 304 for clients that have a response, and changes of what a client has seen only (RFC 9110).

Responses are rendered once for many requests.
"""

import hashlib
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Generic, TypeVar

from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.utils.http import parse_etags
from rest_framework.request import Request

from flashsale.core.refusals import InvalidRequest, Refusal

# Source: RFC 9110, section 8.8.3.
_TAG = re.compile(r'(W/)?"([^\x00-\x20"\x7f]*)"')
_TAGS = re.compile(rf"{_TAG.pattern}(?:[ \t]*,[ \t]*{_TAG.pattern})*")

Key = TypeVar("Key")


class PreconditionRequired(Refusal):
    """The request would overwrite changes that its client has not seen (RFC 6585, section 3)."""

    code = "precondition_required"
    title = "Precondition required"


def expected_tags(request: HttpRequest) -> frozenset[str] | None:
    """Return the strong entity tags, without their quotes, that `If-Match` names; None for `*`: any.

    Weak ones are left out: they never match (RFC 9110, section 13.1.1). Raises `PreconditionRequired` without the
    header, and `InvalidRequest` where it is malformed.
    """
    value: str | None = request.META.get("HTTP_IF_MATCH")
    if value is None:
        raise PreconditionRequired("Send `If-Match` with the `ETag` of the answer that you want to change.")
    if value.strip(" \t") == "*":
        return None
    if not _TAGS.fullmatch(value.strip(" \t")):
        raise InvalidRequest(
            'If-Match is `*`, or entity tags such as "0123abcd" with their quotes.',
            pointer="#header/If-Match", error_code="invalid",
        )  # fmt: skip
    return frozenset(tag for weak, tag in _TAG.findall(value) if not weak)


@dataclass(frozen=True)
class RenderedBody:
    """A response body, its media type and its entity tag."""

    body: bytes
    content_type: str
    etag: str

    @classmethod
    def of(cls, body: bytes, content_type: str) -> "RenderedBody":
        """Return the body with its entity tag."""
        return cls(body, content_type, f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"')

    def response(self, request: HttpRequest | Request) -> HttpResponse:
        """Return the response, or 304 to a client that has the body (`If-None-Match`: RFC 9110, section 13.1.2)."""
        headers = {"ETag": self.etag}
        if "HTTP_IF_NONE_MATCH" in request.META:
            client_etags = parse_etags(request.META["HTTP_IF_NONE_MATCH"])
            if "*" in client_etags or self.etag in [tag.removeprefix("W/") for tag in client_etags]:
                return HttpResponseNotModified(headers=headers)
        return HttpResponse(self.body, content_type=self.content_type, headers=headers, status=HTTPStatus.OK)


class RenderOnce(Generic[Key]):
    """Renders each body once in a process (single flight) and keeps it as long as the process lives.

    Only for bodies that depend on nothing but the code, the settings and a key with few values.
    """

    def __init__(self, render: Callable[[Key], RenderedBody]) -> None:
        self._render = render
        self._bodies: dict[Key, RenderedBody] = {}
        self._mutex = threading.Lock()

    def reset(self) -> None:
        """Forget all bodies."""
        with self._mutex:
            self._bodies.clear()

    def get(self, key: Key) -> RenderedBody:
        """Return the body, which the first call renders. Raises what `render` raises."""
        body = self._bodies.get(key)
        if body is None:
            with self._mutex:
                if key not in self._bodies:
                    self._bodies[key] = self._render(key)
                body = self._bodies[key]
        return body

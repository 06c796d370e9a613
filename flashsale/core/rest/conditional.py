"""Answers that are made once for many requests: their bytes, their entity tag, and 304 for clients that have them."""

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Generic, TypeVar

from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.utils.http import parse_etags
from rest_framework.request import Request

Key = TypeVar("Key")


@dataclass(frozen=True)
class Page:
    """A body as it is sent, its media type and its entity tag."""

    body: bytes
    content_type: str
    etag: str

    @classmethod
    def of(cls, body: bytes, content_type: str) -> "Page":
        """Return the page with the entity tag of its body."""
        return cls(body, content_type, f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"')

    def response(self, request: HttpRequest | Request) -> HttpResponse:
        """Return the page, or 304 to a client that has it (`If-None-Match`: RFC 9110, section 13.1.2)."""
        headers = {"ETag": self.etag}
        known = parse_etags(request.headers.get("If-None-Match", ""))
        if "*" in known or self.etag in [tag.removeprefix("W/") for tag in known]:
            return HttpResponseNotModified(headers=headers)
        return HttpResponse(self.body, content_type=self.content_type, headers=headers, status=HTTPStatus.OK)


class PageCache(Generic[Key]):
    """Makes each page once in a process (single flight) and keeps it as long as the process lives.

    Only for pages that depend on nothing but the code, the settings and a key out of few.
    """

    def __init__(self, make: Callable[[Key], Page]) -> None:
        self._make = make
        self._pages: dict[Key, Page] = {}
        self._making = threading.Lock()

    def reset(self) -> None:
        """Forget all pages."""
        with self._making:
            self._pages.clear()

    def get(self, key: Key) -> Page:
        """Return the page, which the first call makes. Raises what `make` raises."""
        page = self._pages.get(key)
        if page is None:
            with self._making:
                if key not in self._pages:
                    self._pages[key] = self._make(key)
                page = self._pages[key]
        return page

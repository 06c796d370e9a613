"""Request bodies that an answer left unread: drained, or the connection is closed when they are long.

A connection with an unread body cannot carry the next request: the web server resets it, sometimes before the client
has read the answer. nginx then reports a lost upstream connection for a request that was answered.

Source: RFC 9112, section 9.3 (a server reads the whole body or closes the connection); RFC 9110, section 10.1.1.
"""

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

DRAIN_BYTES = 256 * 1024
# At most so much is read after an answer that closes the connection, for clients that send everything before they read:
# closing with unread data resets the connection, and the client may lose the answer. Larger than any accepted body.
LINGER_BYTES = 4 * 1024 * 1024
PART_BYTES = 64 * 1024
CLOSE = ("Connection", "close")

Application = Callable[..., Iterable[bytes]]


class Readable(Protocol):
    """The type of `wsgi.input`."""

    def read(self, size: int = -1, /) -> bytes: ...

    def readline(self, size: int = -1, /) -> bytes: ...


class Body:
    """A request's body that tracks how much of it is unread."""

    def __init__(self, stream: Readable, *, length: int | None) -> None:
        """Read from `stream`; `length` is the announced number of bytes, None for a body in chunks."""
        self._stream = stream
        self._unread = length
        self._is_complete = length == 0
        self.is_started = False

    def read(self, size: int = -1) -> bytes:
        """Return the next `size` bytes, all when it is negative, fewer at the end."""
        return self._account_for(self._stream.read(size), requested=size)

    def readline(self, size: int = -1) -> bytes:
        """Return the next line, or its first `size` bytes."""
        return self._account_for(self._stream.readline(size), requested=1)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.readline, b"")

    def is_longer_than(self, limit: int) -> bool:
        """Say whether more than `limit` bytes are known to be unread."""
        return self._unread is not None and self._unread > limit

    def drain(self, limit: int) -> bool:
        """Read at most `limit` bytes more and say whether that was everything.

        The server's thread waits for a client that sends slowly, as it does wherever a body is read; nginx, in front,
        sends whole bodies only.
        """
        if self.is_longer_than(limit):
            return False
        while limit > 0 and not self._is_complete:
            limit -= len(self.read(min(PART_BYTES, limit)))
        # A chunked body may end exactly at the limit: try to read one more byte.
        return self._is_complete or not self.read(1)

    def _account_for(self, part: bytes, *, requested: int) -> bytes:
        self.is_started = True
        if self._unread is not None:
            self._unread -= len(part)
        self._is_complete = self._unread == 0 or requested < 0 or (requested > 0 and not part)
        return part


class _LingeringResponse:
    """A response after which the rest of the request's body is read, before the connection is closed.

    Source: RFC 9112, section 9.6.
    """

    def __init__(self, answer: Iterable[bytes], body: Body) -> None:
        self._answer = answer
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        yield from self._answer
        self._body.drain(LINGER_BYTES)

    def close(self) -> None:
        """Close the answer, as a WSGI server does."""
        if hasattr(self._answer, "close"):
            self._answer.close()


def draining_unread_bodies(application: Application) -> Application:
    """Wrap a WSGI application that may answer without reading the body: at most `DRAIN_BYTES` are read and dropped.

    When more is unread, or the client waits for `100 Continue`, the answer has `Connection: close`; what the client has
    sent by then is read after the answer. Servers whose `wsgi.input` has no end (wsgiref) handle this themselves.
    """

    @functools.wraps(application)
    def answered(environ: dict[str, Any], start_response: Callable) -> Iterable[bytes]:
        if not _has_body(environ) or not environ.get("wsgi.input_terminated"):
            return application(environ, start_response)
        body = environ["wsgi.input"] = Body(environ["wsgi.input"], length=_length_of(environ))
        started: list[Any] = []
        answer = application(environ, lambda *response: started.extend(response))
        status, headers, *error = started
        is_awaited = not body.is_started and environ.get("HTTP_EXPECT", "").lower() == "100-continue"
        if not is_awaited and body.drain(DRAIN_BYTES):
            start_response(status, headers, *error)
            return answer
        start_response(status, [*headers, CLOSE], *error)
        return answer if is_awaited else _LingeringResponse(answer, body)

    return answered


def _has_body(environ: dict[str, Any]) -> bool:
    return "HTTP_TRANSFER_ENCODING" in environ or environ.get("CONTENT_LENGTH") not in (None, "", "0")


def _length_of(environ: dict[str, Any]) -> int | None:
    length = environ.get("CONTENT_LENGTH", "")
    return int(length) if length.isdecimal() and "HTTP_TRANSFER_ENCODING" not in environ else None

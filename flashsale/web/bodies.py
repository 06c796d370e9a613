"""Request bodies of the server's protocol (RSGI), and those that an answer left unread.

A connection with an unread body cannot carry the next request: the web server resets it, sometimes before the client
has read the answer. nginx then reports a lost upstream connection for a request that was answered. So a body is
received before its request is processed. One that is long, or that the client sends on demand only, is received when it
is read; what an answer leaves unread is drained, or the connection is closed.

Source: RFC 9112, section 9.3 (a server reads the whole body or closes the connection); RFC 9110, section 10.1.1.
"""

import contextlib
import io
from collections.abc import AsyncIterator, Mapping
from typing import Protocol

from django.core.exceptions import BadRequest
from granian.rsgi import ProtocolClosed

from flashsale.core.greenlets import EventLoop

# The most that is received before the request is processed, and the most that is drained after an early answer.
DRAIN_BYTES = 256 * 1024
# At most so much is read after an answer that closes the connection, for clients that send everything before they read:
# closing with unread data resets the connection, and the client may lose the answer. Larger than any accepted body.
LINGER_BYTES = 4 * 1024 * 1024
PART_BYTES = 64 * 1024


class IncompleteBody(BadRequest):
    """The client ended its side of the connection before the announced end of the body (RFC 9112, section 8)."""


class Source(Protocol):
    """Where a body comes from: received as a whole, or in parts."""

    async def __call__(self) -> bytes: ...

    def __aiter__(self) -> AsyncIterator[bytes]: ...


class Body(io.IOBase):
    """A body that is received while it is read, by a greenlet or a thread; tracks how much of it is unread."""

    def __init__(self, source: Source, events: EventLoop, *, length: int | None, is_withheld: bool = False) -> None:
        """Read from `source`; `length` is the announced number of bytes, None for a body in chunks.

        `is_withheld`: the client sends the body only when it is asked for it (`Expect: 100-continue`).
        """
        self._parts = aiter(source)
        self._events = events
        # None: not announced.
        self._unreceived = length
        self._received = b""
        self._has_ended = False
        self.is_withheld = is_withheld

    async def receive(self, size: int) -> int:
        """Receive until `size` bytes can be read, or the body ends; return how many can be read."""
        self.is_withheld = False
        while len(self._received) < size and not self._has_ended:
            try:
                part = await anext(self._parts)
            except (StopAsyncIteration, ProtocolClosed):
                self._has_ended = True
                if self._unreceived:
                    raise IncompleteBody from None
            else:
                self._received += part
                if self._unreceived is not None:
                    self._unreceived -= len(part)
        return len(self._received)

    def read(self, size: int = -1) -> bytes:
        """Return the next `size` bytes, fewer at the end; a negative size stands for `LINGER_BYTES`.

        Raises `IncompleteBody`.
        """
        size = LINGER_BYTES if size < 0 else size
        if len(self._received) < size and not self._has_ended:
            self._events.complete(self.receive(size))
        part, self._received = self._received[:size], self._received[size:]
        return part

    def drain(self, limit: int) -> bool:
        """Read at most `limit` bytes more and say whether that was everything.

        It waits for a client that sends slowly, as every reader of a body does; nginx, in front, sends whole bodies.
        """
        if self._unreceived is not None and self._unreceived + len(self._received) > limit:
            return False
        with contextlib.suppress(IncompleteBody):
            while limit > 0 and (part := self.read(min(PART_BYTES, limit))):
                limit -= len(part)
            # The body may end exactly at the limit: try to read one more byte.
            return not self.read(1)
        return True


class _IncompleteStream(io.IOBase):
    """What was received of an incomplete body: nothing that may be used."""

    def read(self, size: int = -1) -> bytes:
        raise IncompleteBody


async def receive(
    source: Source, headers: Mapping[str, str], events: EventLoop, *, chunked_limit: int
) -> tuple[io.IOBase, int]:
    """Return the body of a request with these headers (lower case), and its length, 0 without one.

    A body of at most `DRAIN_BYTES` has been received. Of a body in chunks, `chunked_limit` bytes have, and it counts as
    no longer than that: it is refused for its size where `chunked_limit` is larger than what is accepted.
    """
    if "transfer-encoding" in headers:
        body = Body(source, events, length=None)
        return body, await body.receive(chunked_limit)
    text = headers.get("content-length", "")
    length = int(text) if text.isdecimal() else 0
    is_withheld = headers.get("expect", "").lower() == "100-continue"
    if length > DRAIN_BYTES or (length and is_withheld):
        return Body(source, events, length=length, is_withheld=is_withheld), length
    try:
        return io.BytesIO(await source() if length else b""), length
    except ProtocolClosed:
        return _IncompleteStream(), length

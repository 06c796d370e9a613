"""Django's responses, sent by the server's protocol (RSGI)."""

import io
from collections.abc import Iterable
from typing import Any

from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from flashsale.core.greenlets import EventLoop
from flashsale.web.bodies import DRAIN_BYTES, LINGER_BYTES, Body

CLOSE = ("Connection", "close")

Headers = list[tuple[str, str]]


def send(
    response: HttpResponseBase, protocol: Any, body: io.IOBase, events: EventLoop, *, is_last: bool = False
) -> None:
    """Send a response to a request whose body may be unread; its greenlet or thread waits where it must.

    `is_last`: the connection is closed after it.

    At most `DRAIN_BYTES` of the body are read and dropped. When more is unread, or the client waits to be asked for it,
    the response has `Connection: close`; what the client has sent by then is read after the response.
    """
    headers = _headers_of(response)
    lingers = False
    if isinstance(body, Body):
        is_withheld = body.is_withheld
        if is_withheld or not body.drain(DRAIN_BYTES):
            is_last = True
            lingers = not is_withheld
    if is_last:
        headers.append(CLOSE)
    if isinstance(response, HttpResponse) and not lingers:
        protocol.response_bytes(response.status_code, headers, response.content)
    else:
        parts = response if isinstance(response, StreamingHttpResponse) else [response.content]
        _stream(parts, protocol.response_stream(response.status_code, headers), events)
    if lingers:
        body.drain(LINGER_BYTES)


def _stream(parts: Iterable[bytes], transport: Any, events: EventLoop) -> None:
    for part in parts:
        events.complete(transport.send_bytes(part))


def _headers_of(response: HttpResponseBase) -> Headers:
    # What `response.items()` would look up name by name.
    headers: Headers = list(response.headers._store.values())
    if response.cookies:
        headers += [("Set-Cookie", cookie.OutputString()) for cookie in response.cookies.values()]
    return headers

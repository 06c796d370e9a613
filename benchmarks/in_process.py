"""Requests to the application in this process, without a web server: on an event loop, as a web process runs them.

A request enters at one of three points: the view that its path names, the API's handler, or the application that the
web server calls.
"""

import asyncio
import io
import sys
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

# Requests that run at the same time: 64 clients of two web processes.
CONCURRENT = 32


@dataclass
class Exchange:
    """One request and its answer; what the web server's protocol (RSGI) calls a scope and a protocol."""

    path: str
    expected: int
    method: str = "GET"
    body: bytes = b""
    extra_headers: dict[str, str] = field(default_factory=dict)
    status: int = 0
    answer: bytes = b""
    http_version: str = "1.1"
    scheme: str = "http"
    server: str = "127.0.0.1:8000"
    client: str = "127.0.0.1:50000"
    query_string: str = ""

    def __post_init__(self) -> None:
        self.headers = {"host": "127.0.0.1:8000", **self.extra_headers}
        if self.body:
            self.headers |= {"content-type": "application/json", "content-length": str(len(self.body))}

    async def __call__(self) -> bytes:
        return self.body

    def response_bytes(self, status: int, _headers: list[tuple[str, str]], body: bytes) -> None:
        """Take the answer."""
        self.status, self.answer = status, body

    def response_empty(self, status: int, _headers: list[tuple[str, str]]) -> None:
        """Take an answer without a body."""
        self.status = status

    def environ(self) -> dict[str, Any]:
        """Return the request as WSGI passes it (PEP 3333)."""
        headers = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in self.headers.items()}
        return headers | {
            "REQUEST_METHOD": self.method, "SCRIPT_NAME": "", "PATH_INFO": self.path, "QUERY_STRING": "",
            "SERVER_NAME": "127.0.0.1", "SERVER_PORT": "8000", "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1", "CONTENT_TYPE": "application/json", "CONTENT_LENGTH": str(len(self.body)),
            "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(self.body), "wsgi.errors": sys.stderr,
        }  # fmt: skip


@dataclass(frozen=True)
class Spent:
    """Seconds of processor time: in the thread that called, and in all other threads of the process."""

    own: float
    others: float


# Sends requests and returns the processor time of all of them together.
EntryPoint = Callable[[Sequence[Exchange]], Spent]


def _timed(function: Callable[[], object]) -> Spent:
    own, all_threads = time.thread_time(), time.process_time()
    function()
    own, all_threads = time.thread_time() - own, time.process_time() - all_threads
    return Spent(own, max(0.0, all_threads - own))


def _chunks(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), CONCURRENT):
        yield items[start : start + CONCURRENT]


class Loop:
    """An event loop in this thread, and the application on it."""

    def __init__(self) -> None:
        from flashsale.api.handler import ApiHandler
        from flashsale.core.greenlets import EventLoop
        from flashsale.rsgi import Application

        self._loop = asyncio.new_event_loop()
        self._application = Application()
        self._handler = ApiHandler()
        self._new_events = lambda: EventLoop(self._loop)

    def application(self, exchanges: Sequence[Exchange]) -> Spent:
        """Enter where the web server does."""
        self._application.__rsgi_init__(self._loop)

        async def ask() -> None:
            for chunk in _chunks(exchanges):
                await asyncio.gather(*(self._application.__rsgi__(exchange, exchange) for exchange in chunk))

        try:
            return _timed(partial(self._run, ask()))
        finally:
            self._application.__rsgi_del__(self._loop)

    def handler(self, exchanges: Sequence[Exchange]) -> Spent:
        """Enter at the API's handler, with a request that Django has parsed."""
        return self._in_greenlets(exchanges, self._handler.get_response)

    def view(self, exchanges: Sequence[Exchange]) -> Spent:
        """Enter at the view, without the checks and headers of the API."""
        from django.urls import get_resolver

        def run_view(request: Any) -> Any:
            match = request.resolver_match = get_resolver().resolve(request.path_info)
            response = match.func(request, *match.args, **match.kwargs)
            return response if getattr(response, "is_rendered", True) else response.render()

        return self._in_greenlets(exchanges, run_view)

    def _in_greenlets(self, exchanges: Sequence[Exchange], get_response: Callable[[Any], Any]) -> Spent:
        from django.core.handlers.wsgi import WSGIRequest

        events = self._new_events()
        requests = [WSGIRequest(exchange.environ()) for exchange in exchanges]
        for request in requests:
            request.request_id = "0" * 32

        def answer(exchange: Exchange, request: Any, ended: asyncio.Future[None]) -> None:
            try:
                response = get_response(request)
                exchange.response_bytes(response.status_code, [], response.content)
            except Exception as error:
                ended.set_exception(error)
            else:
                ended.set_result(None)

        async def ask() -> None:
            for chunk in _chunks(list(zip(exchanges, requests, strict=True))):
                ends = [self._loop.create_future() for _ in chunk]
                for (exchange, request), ended in zip(chunk, ends, strict=True):
                    events.spawn(partial(answer, exchange, request, ended))
                await asyncio.gather(*ends)

        try:
            return _timed(partial(self._run, ask()))
        finally:
            events.close()

    def _run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self._loop.run_until_complete(coroutine)


def bare_view(body: bytes, exchanges: Sequence[Exchange]) -> Spent:
    """Answer each request by a Django view that returns `body`, without any middleware."""
    from django.core.handlers.wsgi import WSGIHandler
    from django.http import HttpResponse
    from django.test import override_settings
    from django.urls import path

    class Urls:
        urlpatterns = (path("bench/constant", lambda _request: HttpResponse(body, content_type="application/json")),)

    environs = [exchange.environ() for exchange in exchanges]

    def ask() -> None:
        for exchange, environ in zip(exchanges, environs, strict=True):
            response = handler(environ, lambda *_: None)
            exchange.status, exchange.answer = response.status_code, b"".join(response)
            response.close()

    with override_settings(MIDDLEWARE=[], ROOT_URLCONF=Urls):
        handler = WSGIHandler()
        return _timed(ask)

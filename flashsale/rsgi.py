"""The application of the web server, which speaks RSGI: the API's requests run on the event loop, pages in threads.

Source: https://github.com/emmett-framework/granian/blob/master/docs/spec/RSGI.md
"""

import asyncio
import contextlib
import logging
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpResponse
from django.utils.module_loading import import_string
from granian.rsgi import ProtocolClosed

from flashsale import wsgi
from flashsale.core.capacity import shares
from flashsale.core.greenlets import EventLoop
from flashsale.observability.health import HealthMiddleware
from flashsale.web import bodies, responses
from flashsale.web.draining import Drain
from flashsale.web.environ import environ_of, headers_of

# The most pages (of the admin, of the documentation) and files that are served at once.
PAGE_THREADS = 64
# The most probes and scrapes that are answered at once, also while all other threads are occupied.
PROBE_THREADS = 4
# Needs no thread: this one is answered while PostgreSQL does not answer, too.
LIVENESS_PATH = "/livez"

log = logging.getLogger(__name__)


class Application:
    """Serves every request of a web process."""

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Prepare for the process's event loop, before the first request."""
        self._loop = loop
        self._events = EventLoop(loop, threads=shares.worker_threads())
        self._pages = ThreadPoolExecutor(PAGE_THREADS, thread_name_prefix="page")
        self._probes = ThreadPoolExecutor(PROBE_THREADS, thread_name_prefix="probe")
        self._refusal_writer = import_string("checkout.refusal_counts.writer")
        self._refusal_writer.start()
        self._queue_runner = import_string("checkout.waiting_room.running.runner")
        self._queue_runner.start()
        self._drain = Drain()
        self._drain.install(loop, seconds=settings.WEB_DRAIN_SECONDS)

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        """End the threads, after the last request; the refusals counted until now are stored."""
        self._pages.shutdown()
        self._probes.shutdown()
        self._events.close()
        self._refusal_writer.stop()
        self._queue_runner.stop()

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        """Answer one request."""
        headers = headers_of(scope)
        limit = settings.MAX_BODY_BYTES + 1
        body, length = await bodies.receive(protocol, headers, self._events, chunked_limit=limit)
        environ = environ_of(scope, headers) | {"wsgi.input": body, "CONTENT_LENGTH": str(length)}
        exchange = _Exchange(environ, protocol, self._events, self._drain)
        if wsgi.application.is_api(scope.path) or scope.path == LIVENESS_PATH:
            self._events.spawn(exchange.answer_in_greenlet)
            await exchange.is_over()
        else:
            threads = self._probes if scope.path in HealthMiddleware.views else self._pages
            await self._loop.run_in_executor(threads, exchange.answer_page)


class _Exchange:
    """One request and its answer."""

    def __init__(self, environ: dict[str, Any], protocol: Any, events: EventLoop, drain: Drain) -> None:
        self._environ = environ
        self._protocol = protocol
        self._events = events
        self._drain = drain
        self._is_over = False
        self._end: asyncio.Future[None] | None = None

    async def is_over(self) -> None:
        """Wait until the request is answered."""
        if not self._is_over:
            self._end = asyncio.get_running_loop().create_future()
            await self._end

    def answer_in_greenlet(self) -> None:
        """Answer a request that needs no thread of its own."""
        try:
            self._send(wsgi.application.get_response(WSGIRequest(self._environ)))
        except Exception as error:
            self._fail(error)
        finally:
            self._is_over = True
            if self._end is not None and not self._end.done():
                self._end.set_result(None)

    def answer_page(self) -> None:
        """Answer any other request."""
        try:
            response = wsgi.application(self._environ, lambda *_: None)
            try:
                self._send(response)
            finally:
                response.close()
        except Exception as error:
            self._fail(error)

    def _send(self, response: HttpResponse) -> None:
        body, is_last = self._environ["wsgi.input"], self._drain.has_begun
        responses.send(response, self._protocol, body, self._events, is_last=is_last)

    def _fail(self, error: Exception) -> None:
        """Report an error outside Django's handler, which reports those of views and middleware."""
        if isinstance(error, ProtocolClosed):
            # The client is gone.
            return
        log.error("A request was not answered", exc_info=error)
        # The response may have begun.
        with contextlib.suppress(RuntimeError):
            headers = [responses.CLOSE] if self._drain.has_begun else []
            self._protocol.response_empty(HTTPStatus.INTERNAL_SERVER_ERROR, headers)


application = Application()

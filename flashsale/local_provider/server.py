"""The HTTP server: requests to the API, to the page to pay on, and to what controls the provider.

It listens on 127.0.0.1 only and answers only requests for that host, so that no page of another site reaches it by a
name of its own (DNS rebinding). Pages of other origins may use the API with the publishable key.
"""

import json
import re
import sys
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from flashsale.local_provider import control, pages
from flashsale.local_provider.api import handling, parameters, sessions
from flashsale.local_provider.api.errors import ApiError
from flashsale.local_provider.provider import Provider, Request

HOST = "127.0.0.1"
MAX_BODY_BYTES = 256 * 1024
IDLE_SECONDS = 60
WAITING_CONNECTIONS = 512
TICK_SECONDS = 1
_PAY = re.compile(r"/pay/(\w+)", re.ASCII)
CORS = {"Access-Control-Allow-Origin": "*"}
PREFLIGHT = CORS | {
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Idempotency-Key, Stripe-Version",
    "Access-Control-Max-Age": "600",
}


class Server(ThreadingHTTPServer):
    """A thread for each connection; `port` 0 chooses a free one."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = WAITING_CONNECTIONS

    def __init__(self, provider: Provider, port: int = 0) -> None:
        super().__init__((HOST, port), _Handler)
        self.provider = provider
        self._next_tick = 0.0
        provider.base_url = self.url

    @property
    def url(self) -> str:
        """Return the address that the server answers at."""
        return f"http://{HOST}:{self.server_port}"

    def service_actions(self) -> None:
        """Expire, about once a second, the sessions whose time is over."""
        if time.monotonic() < self._next_tick:
            return
        self._next_tick = time.monotonic() + TICK_SECONDS
        with self.provider.lock:
            sessions.expire_due(self.provider)
            self.provider.commit()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log what went wrong; a client that closed its connection is no error of the server."""
        if not isinstance(sys.exception(), (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    server_version = "local-provider"
    timeout = IDLE_SECONDS
    # Head and body are sent together: apart, the body would wait for the head's acknowledgement.
    wbufsize = -1

    def do_GET(self) -> None:
        self._dispatch()

    def do_POST(self) -> None:
        self._dispatch()

    def do_OPTIONS(self) -> None:
        if self._is_for_this_host() and self.path.startswith("/v1/"):
            return self._send(204, b"", PREFLIGHT)
        return self._send_json(404, {"error": "Not found."})

    def _dispatch(self) -> None:
        body = self._body()
        if body is None:
            return self._send_json(413, {"error": f"The body may have at most {MAX_BODY_BYTES} bytes."})
        if not self._is_for_this_host():
            return self._send_json(403, {"error": "This server answers requests for its own host only."})
        url = urlsplit(self.path)
        if url.path.startswith("/v1/"):
            return self._answer_api(url.path, url.query, body)
        if match := _PAY.fullmatch(url.path):
            return self._answer_page(match[1], url.query, body)
        return self._answer_control(url.path, body)

    def _body(self) -> bytes | None:
        """Return the body, None when it is too large or its length is not told."""
        length = self.headers.get("Content-Length", "0")
        if not (length.isascii() and length.isdigit() and len(length) < 10 and int(length) <= MAX_BODY_BYTES):
            self.close_connection = True
            return None
        return self.rfile.read(int(length))

    def _is_for_this_host(self) -> bool:
        port = self.server.server_port
        return self.headers.get("Host", "").lower() in {f"{HOST}:{port}", f"localhost:{port}"}

    def _answer_api(self, path: str, query: str, body: bytes) -> None:
        try:
            encoded = body.decode(errors="replace") if self.command == "POST" else query
            fields = parameters.fields_of(encoded)
            request = Request(
                self.command,
                path,
                fields,
                parameters.nested(fields),
                key=self.headers.get("Idempotency-Key", ""),
                authorization=self.headers.get("Authorization", ""),
            )
            answer = handling.handle(self.server.provider, request)
        except ApiError as error:
            return self._send_json(error.http_status, error.body, CORS)
        except handling.Disconnected:
            self.close_connection = True
            return None
        return self._send_json(answer.status, answer.body, answer.headers | CORS)

    def _answer_page(self, object_id: str, query: str, body: bytes) -> None:
        try:
            values = dict(parameters.fields_of(query if self.command == "GET" else body.decode(errors="replace")))
        except ApiError:
            values = {}
        respond = pages.show if self.command == "GET" else pages.submit
        page = respond(self.server.provider, object_id, values)
        self._send(page.status, page.html.encode(), page.headers())

    def _answer_control(self, path: str, body: bytes) -> None:
        provider = self.server.provider
        try:
            if self.command == "GET":
                answer = control.read(provider, path)
            elif self._is_of_another_page():
                return self._send_json(403, {"error": "Changes need Content-Type: application/json and this origin."})
            else:
                answer = control.change(provider, path, body)
        except control.BadControl as error:
            return self._send_json(400, {"error": str(error)})
        return self._send_json(200, answer) if answer is not None else self._send_json(404, {"error": "Not found."})

    def _is_of_another_page(self) -> bool:
        """Say whether a web page of another origin may have sent it."""
        own = {f"http://{self.headers.get('Host', '')}"}
        content_type = self.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        return (
            content_type != "application/json"
            or self.headers.get("Origin") not in {None, *own}
            or self.headers.get("Sec-Fetch-Site") not in {None, "same-origin", "none"}
        )

    def _send_json(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        kind = {"Content-Type": "application/json", "Cache-Control": "no-store"}
        self._send(status, json.dumps(body, indent=2).encode() + b"\n", kind | (headers or {}))

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != HTTPStatus.NO_CONTENT:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep addresses out of the log: those of pages have secrets."""

"""deploy/nginx.conf when a crowd asks for a page that nginx does not have: the first moment of a sale."""

import contextlib
import json
import socket
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event

import pytest

from flashsale.tests.support.deployed import Proxy, nginx
from flashsale.tests.support.processes import WAIT_SECONDS, wait_until

CLIENTS = 64
# nginx itself would look every 500 ms for a page that another request fetches.
TOO_LONG_SECONDS = 0.4
TRIES = 10
PAGE = b'{"id": 1}'


class Application(ThreadingHTTPServer):
    """Answers every path with a page that may be cached, as soon as the whole crowd has asked."""

    # Without a place in the queue a connection is tried again after a second, and after nginx's patience.
    request_queue_size = 2 * CLIENTS

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.may_answer = Event()
        self.may_answer.set()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Application

    def do_GET(self) -> None:
        self.server.may_answer.wait(WAIT_SECONDS)
        self.send_response(200)
        self.send_header("Cache-Control", "public, max-age=1")
        self.send_header("Content-Length", str(len(PAGE)))
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@dataclass(frozen=True)
class Crowd:
    """64 clients of nginx in front of the application."""

    proxy: Proxy
    application: Application

    def ask(self, path: str) -> list[dict]:
        """Ask for a page over 64 connections before the application answers; return the lines of the access log."""
        request = f"GET {path} HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n".encode()
        with contextlib.ExitStack() as stack:
            address = ("127.0.0.1", self.proxy.port)
            clients = [stack.enter_context(socket.create_connection(address, WAIT_SECONDS)) for _ in range(CLIENTS)]
            self.application.may_answer.clear()
            for client in clients:
                client.sendall(request)
            self.application.may_answer.set()
            for client in clients:
                assert client.recv(65_536).startswith(b"HTTP/1.1 200 ")
        wait_until(lambda: len(self._lines(path)) == CLIENTS, what="all requests are logged")
        return self._lines(path)

    def _lines(self, path: str) -> list[dict]:
        lines = [json.loads(line) for line in self.proxy.log.read_text().splitlines()]
        return [line for line in lines if line["path"] == path]


@pytest.fixture
def crowd() -> Iterator[Crowd]:
    with tempfile.TemporaryDirectory(prefix="flashsale-nginx-") as folder, ThreadPoolExecutor() as pool:
        Path(folder).chmod(0o755)
        application = Application()
        pool.submit(application.serve_forever)
        port = application.server_address[1]
        try:
            with nginx(Path(folder), web=port, pay=port, changes={"rate=50r/s": "rate=100000r/s"}) as proxy:
                yield Crowd(proxy, application)
        finally:
            application.shutdown()
            application.server_close()


def test_no_client_waits_for_the_interval_at_which_nginx_looks_for_a_page(crowd):
    # On a busy machine a single answer may be late for other reasons.
    slowest = (max(line["seconds"] for line in crowd.ask(f"/api/v1/products/{number}")) for number in range(TRIES))

    assert any(seconds < TOO_LONG_SECONDS for seconds in slowest)


def test_one_request_fetches_the_page_for_the_crowd(crowd):
    # While the page comes late, the others ask for it themselves.
    statuses = ([line["cache"] for line in crowd.ask(f"/api/v1/products/{number}")] for number in range(TRIES))

    assert any(crowd_statuses.count("MISS") == 1 for crowd_statuses in statuses)

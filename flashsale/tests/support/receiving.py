"""An HTTP server on this machine that keeps the requests it receives and gives each the same answer."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Received:
    """A request as it arrived."""

    path: str
    headers: Message
    body: bytes


class Receiver(ThreadingHTTPServer):
    """Answers on a free port; `received` grows while requests come. While `is_answering` is unset, none is answered."""

    daemon_threads = True

    def __init__(self, answer: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self.received: list[Received] = []
        self.is_answering = threading.Event()
        self.is_answering.set()

    @property
    def url(self) -> str:
        """The address of the server."""
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.is_answering.wait()
        self.server.received.append(Received(self.path, self.headers, body))
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.answer)))
        self.end_headers()
        self.wfile.write(self.server.answer)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *args: object) -> None:
        """Keep the tests' output free of requests."""


@contextmanager
def receiving(answer: bytes = b"{}") -> Iterator[Receiver]:
    """Run a receiver until the block ends."""
    server = Receiver(answer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.is_answering.set()
        server.shutdown()
        server.server_close()
        thread.join()

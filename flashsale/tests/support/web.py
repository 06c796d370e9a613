"""A web server for one test, and requests sent byte by byte on its connections."""

import contextlib
import os
import re
import select
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlencode

import httpx
from django.db import connection

from flashsale.tests.support.processes import WAIT_SECONDS, free_port, start, wait_until

SECONDS = 20


def database_url() -> str:
    """The URL of the tests' own database."""
    settings = connection.settings_dict
    query = urlencode({"host": settings["HOST"], "port": settings["PORT"]}, quote_via=quote)
    return f"postgresql://{settings['USER']}:{settings['PASSWORD']}@/{settings['NAME']}?{query}"


@contextlib.contextmanager
def web_server(log: Path, *, application: str = "flashsale.rsgi:application", **environment: str) -> Iterator[int]:
    """Run the web server with one process on the tests' database and give its port."""
    port = free_port()
    argv = ["granian", "--interface", "rsgi", "--no-ws", application, "--host", "127.0.0.1", "--port", str(port)]
    argv += ["--http", "1", "--workers-kill-timeout", "5"]
    environment = os.environ | {"DATABASE_URL": database_url(), "DATABASE_POOL_MAX": "4"} | environment
    with log.open("w") as output:
        process = start(sys.executable, "-m", *argv, environment=environment, stdout=output, stderr=output)
    try:
        wait_until(lambda: _answers(port) or process.poll() is not None, what="the web server answers")
        assert process.poll() is None, log.read_text()
        yield port
    finally:
        process.terminate()
        process.wait(WAIT_SECONDS)


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/livez").status_code > 0
    except httpx.TransportError:
        return False


class Line:
    """A connection that sends raw requests and is not reopened when it is lost."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = b""

    def __enter__(self) -> "Line":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, *parts: bytes) -> None:
        """Send each part by itself."""
        for part in parts:
            self._socket.sendall(part)

    def end(self) -> None:
        """Send nothing more, as a client that breaks off in the middle of a body."""
        self._socket.shutdown(socket.SHUT_WR)

    def answer(self, *, has_body: bool = True) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body of the next answer. Raises `ConnectionError` when the connection is gone."""
        while b"\r\n\r\n" not in self._received:
            self._receive()
        head, _, self._received = self._received.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        return int(first.split()[1]), headers, self._body(headers) if has_body else b""

    def has_answer(self, *, seconds: float) -> bool:
        """Say whether any data arrives within this time."""
        return bool(select.select([self._socket], [], [], seconds)[0])

    def is_closed(self) -> bool:
        """Say whether the other side closes the connection without sending anything more."""
        try:
            return self._socket.recv(1) == b""
        except ConnectionError:
            return True

    def _body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding") == "chunked":
            return b"".join(iter(self._chunk, b""))
        return self._take(int(headers.get("content-length", 0)))

    def _chunk(self) -> bytes:
        while b"\r\n" not in self._received:
            self._receive()
        size, _, self._received = self._received.partition(b"\r\n")
        return self._take(int(size, 16) + 2)[:-2]

    def _take(self, size: int) -> bytes:
        while len(self._received) < size:
            self._receive()
        taken, self._received = self._received[:size], self._received[size:]
        return taken

    def _receive(self) -> None:
        part = self._socket.recv(65_536)
        if not part:
            raise ConnectionResetError("closed by the other side")
        self._received += part


def head_of(request_line: str, *headers: str, host: str = "127.0.0.1") -> bytes:
    """Return the head of an HTTP/1.1 request: the request line and headers verbatim."""
    assert re.fullmatch(r"[A-Z]+ \S+", request_line)
    return "\r\n".join([f"{request_line} HTTP/1.1", f"Host: {host}", *headers, "", ""]).encode("latin-1")

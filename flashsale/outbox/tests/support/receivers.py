"""Receivers of webhooks for tests: real sockets on this machine, which answer as a test says."""

import contextlib
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from flashsale.tests.support.processes import WAIT_SECONDS

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
MEBIBYTE = b"x" * 2**20
DRIP_SECONDS = 0.02


@dataclass(frozen=True)
class Request:
    """What was received."""

    line: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """A server on a port of its own. `answer` is called with each connection once its request was read."""

    host: str
    port: int
    requests: list[Request] = field(default_factory=list)
    is_stopped: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}/hooks?shop=1"


Answer = Callable[[socket.socket, Receiver], None]


def answers(message: bytes) -> Answer:
    """Answer every request with these bytes."""
    return lambda connection, receiver: connection.sendall(message)


def status(line: str, *headers: str, body: str = "") -> Answer:
    """Answer every request with a status such as `410 Gone`."""
    lines = [f"HTTP/1.1 {line}", f"Content-Length: {len(body)}", *headers, "", body]
    return answers("\r\n".join(lines).encode())


def drips(message: bytes, *, after: bytes = b"") -> Answer:
    """Answer with these bytes again and again, one at a time, after others at once."""

    def answer(connection: socket.socket, receiver: Receiver) -> None:
        connection.sendall(after)
        position = 0
        while not receiver.is_stopped.wait(DRIP_SECONDS):
            connection.sendall(message[position % len(message) :][:1])
            position += 1

    return answer


def pours(connection: socket.socket, receiver: Receiver) -> None:
    """Answer with 1 GiB."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
    for _ in range(1024):
        connection.sendall(MEBIBYTE)


def is_silent(connection: socket.socket, receiver: Receiver) -> None:
    """Answer nothing, and close the connection when the receiver stops."""
    receiver.is_stopped.wait(WAIT_SECONDS)


ANSWERS_OK = answers(OK)


@contextlib.contextmanager
def receiver(
    answer: Answer = ANSWERS_OK, *, host: str = "127.0.0.1", context: ssl.SSLContext | None = None, reads: bool = True
) -> Iterator[Receiver]:
    """Run a receiver; with `context` it speaks TLS, without `reads` it answers before it has read anything."""
    with socket.create_server((host, 0)) as server:
        running = Receiver(host, server.getsockname()[1])
        threads: list[threading.Thread] = []

        def accept() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                thread = threading.Thread(target=serve, args=(connection,), daemon=True)
                threads.append(thread)
                thread.start()

        def serve(connection: socket.socket) -> None:
            with contextlib.suppress(OSError), connection:
                connection.settimeout(WAIT_SECONDS)
                if context is not None:
                    connection = context.wrap_socket(connection, server_side=True)
                if reads:
                    running.requests.append(_read(connection))
                answer(connection, running)

        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        try:
            yield running
        finally:
            running.is_stopped.set()
            server.shutdown(socket.SHUT_RDWR)
            accepting.join(WAIT_SECONDS)
            for thread in threads:
                thread.join(WAIT_SECONDS)


def _read(connection: socket.socket) -> Request:
    with connection.makefile("rb") as stream:
        line = stream.readline().decode().strip()
        headers = {}
        while header := stream.readline().decode().strip():
            name, _, value = header.partition(":")
            headers[name.lower()] = value.strip()
        return Request(line, headers, stream.read(int(headers.get("content-length", 0))))


def certificate(folder: Path) -> ssl.SSLContext:
    """Return a server's context with a certificate for 127.0.0.1 that it signed itself."""
    key, own = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", own],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own, key)
    return context

"""A TCP proxy in front of a server's Unix socket that injects network faults."""

import contextlib
import random
import socket
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

CHUNK_BYTES = 65536
# Closing with this sends RST instead of FIN, so that the peer reads no more data.
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Fault:
    """What happens to a chunk that a client sends; this one lets everything pass."""

    def takes(self) -> bool:
        """Say whether a new connection is taken."""
        return True

    def before(self, chunk: bytes) -> bool:
        """Say whether the chunk is passed on; when not, the connection is reset."""
        return True

    def after(self, chunk: bytes) -> bool:
        """Say whether the answer to the chunk is passed on; when not, the connection is reset."""
        return True

    def delivers(self, chunk: bytes) -> bool:
        """Say whether a chunk that the server sends is passed on; when not, it is lost."""
        return True


class Refuse(Fault):
    """The server is down: new connections are reset, and open ones at their next chunk."""

    def takes(self) -> bool:
        return False

    def before(self, chunk: bytes) -> bool:
        return False


class Delay(Fault):
    """Every chunk takes `seconds` longer."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def before(self, chunk: bytes) -> bool:
        time.sleep(self._seconds)
        return True


class Swallow(Fault):
    """Chunks are dropped silently until the fault ends."""

    def __init__(self) -> None:
        self._ended = threading.Event()

    def before(self, chunk: bytes) -> bool:
        self._ended.wait(60)
        return False

    def end(self) -> None:
        """Let the swallowed connections be reset."""
        self._ended.set()


class LosePushes(Fault):
    """What Valkey pushes is lost; everything else arrives, answers to PINGs included."""

    def __init__(self) -> None:
        self.lost = 0

    def delivers(self, chunk: bytes) -> bool:
        is_push = b"$7\r\nmessage\r\n" in chunk
        self.lost += is_push
        return not is_push


class LoseCommits(Fault):
    """`percent` of the commits are executed and their answers lost."""

    def __init__(self, percent: int) -> None:
        self._percent = percent
        self.lost = 0

    def after(self, chunk: bytes) -> bool:
        if b"COMMIT" in chunk and random.randrange(100) < self._percent:
            self.lost += 1
            return False
        return True


class CutAt(Fault):
    """Cuts the connection at the chunk with this number, from 0: before it is passed on, or before its answer is."""

    def __init__(self, number: int, *, answered: bool) -> None:
        self._number = number
        self._answered = answered
        self._seen = -1
        self.has_cut = False

    def before(self, chunk: bytes) -> bool:
        self._seen += 1
        return self._answered or not self._is_here()

    def after(self, chunk: bytes) -> bool:
        return not self._answered or not self._is_here()

    def _is_here(self) -> bool:
        if self._seen == self._number and not self.has_cut:
            self.has_cut = True
            return True
        return False


class Proxy:
    """Forwards connections on a local port to a Unix socket, with the present `fault`."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._fault = Fault()
        self._open: set[_Connection] = set()
        self._mutex = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        """The port on which it listens."""
        return self._listener.getsockname()[1]

    @property
    def fault(self) -> Fault:
        """The present fault."""
        return self._fault

    @contextlib.contextmanager
    def doing(self, fault: Fault) -> Iterator[Fault]:
        """Inject this fault within the context."""
        self._fault = fault
        try:
            yield fault
        finally:
            self._fault = Fault()
            if isinstance(fault, Swallow):
                fault.end()

    def reset_all(self) -> None:
        """Reset every connection, now."""
        with self._mutex:
            connections = list(self._open)
        for connection in connections:
            connection.reset()

    def close(self) -> None:
        """Stop."""
        self._listener.close()
        self.reset_all()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if not self._fault.takes():
                _reset(client)
                continue
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(str(self._target))
            except OSError:
                _reset(client)
                continue
            connection = _Connection(self, client, server)
            with self._mutex:
                self._open.add(connection)
            connection.start()

    def forget(self, connection: "_Connection") -> None:
        """Called by a connection that ended."""
        with self._mutex:
            self._open.discard(connection)


class _Connection:
    """One client and the server behind, each way pumped by a thread."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy, self._client, self._server = proxy, client, server
        self._answers = True

    def start(self) -> None:
        for pump in (self._there, self._back):
            threading.Thread(target=pump, daemon=True).start()

    def _there(self) -> None:
        with contextlib.suppress(OSError):
            while chunk := self._client.recv(CHUNK_BYTES):
                fault = self._proxy.fault
                if not fault.before(chunk):
                    break
                self._answers = fault.after(chunk)
                self._server.sendall(chunk)
        if self._answers:
            self.reset()

    def _back(self) -> None:
        with contextlib.suppress(OSError):
            while (chunk := self._server.recv(CHUNK_BYTES)) and self._answers:
                if self._proxy.fault.delivers(chunk):
                    self._client.sendall(chunk)
        self.reset()

    def reset(self) -> None:
        """End both sides at once."""
        _reset(self._client)
        # The server finishes its present statement first.
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._proxy.forget(self)


def _reset(client: socket.socket) -> None:
    with contextlib.suppress(OSError):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        client.shutdown(socket.SHUT_RDWR)
    client.close()

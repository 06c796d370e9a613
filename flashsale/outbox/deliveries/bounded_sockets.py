"""A socket for `http.client` that is bounded as a whole: by a deadline for all it does, and by the bytes it reads.

The timeout of a plain socket bounds each call only: a peer that sends a byte a second is never too slow for it.
"""

import io
import socket
import time
from typing import Any

# Less than one TLS record each, so that the deadline is looked at between them.
SEND_BYTES = 16_000


class Deadline:
    """A moment of the monotonic clock until which something has to be done."""

    def __init__(self, seconds: float) -> None:
        self._ends_at = time.monotonic() + seconds

    def left(self) -> float:
        """Return the seconds that are left, more than 0. Raises `TimeoutError`."""
        seconds = self._ends_at - time.monotonic()
        if seconds <= 0:
            raise TimeoutError
        return seconds


class BoundedSocket:
    """What `http.client` uses of a connected socket. At most `max_bytes` are read; then the stream ends.

    Every call may raise `TimeoutError`. It does not close the socket.
    """

    def __init__(self, sock: socket.socket, deadline: Deadline, *, max_bytes: int) -> None:
        self._sock, self._deadline, self._max_bytes = sock, deadline, max_bytes

    def sendall(self, message: bytes) -> None:
        """Send all of the message."""
        for start in range(0, len(message), SEND_BYTES):
            self._sock.settimeout(self._deadline.left())
            self._sock.sendall(message[start : start + SEND_BYTES])

    def makefile(self, mode: str) -> io.BufferedReader:
        """Return a reader of what the peer sends."""
        return io.BufferedReader(_Reader(self._sock, self._deadline, self._max_bytes))

    def close(self) -> None:
        """Leave the socket open: the answer may not be read yet."""


class _Reader(io.RawIOBase):
    def __init__(self, sock: socket.socket, deadline: Deadline, max_bytes: int) -> None:
        self._sock, self._deadline, self._room = sock, deadline, max_bytes

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._sock.settimeout(self._deadline.left())
        count = self._sock.recv_into(memoryview(buffer)[: self._room]) if self._room else 0
        self._room -= count
        return count

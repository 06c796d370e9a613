"""Password hashing, bounded: it takes a quarter of a second of processor time on purpose, and strangers can ask for it.

Every place that hashes a password comes through the hasher below (log-in, the dummy hash for unknown names, password
changes, new accounts), so that none of them can hold a database connection meanwhile or occupy all threads.
"""

import contextlib
import threading
from collections.abc import Iterator

from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.db import connection

# Log-ins from unknown browsers, and everything else: those cannot take the other's places.
STRANGERS, STAFF = "strangers", "staff"
HASHES_AT_ONCE = 1
HASHES_WAITING = 4
WAIT_SECONDS = 3.0


class HashingBusy(Exception):
    """All places for hashing passwords are taken; nothing was compared or stored."""


class HashingPlaces:
    """One process's places of one kind: `HASHES_AT_ONCE` hashes run, `HASHES_WAITING` threads wait for their turn."""

    def __init__(self) -> None:
        self._admitted = threading.BoundedSemaphore(HASHES_AT_ONCE + HASHES_WAITING)
        self._running = threading.BoundedSemaphore(HASHES_AT_ONCE)

    @contextlib.contextmanager
    def taken(self) -> Iterator[None]:
        """Hold a place. Raises `HashingBusy` when too many wait already, or after `WAIT_SECONDS`."""
        if not self._admitted.acquire(blocking=False):
            raise HashingBusy
        try:
            if not self._running.acquire(timeout=WAIT_SECONDS):
                raise HashingBusy
            try:
                yield
            finally:
                self._running.release()
        finally:
            self._admitted.release()


_places = {STRANGERS: HashingPlaces(), STAFF: HashingPlaces()}
_thread = threading.local()


@contextlib.contextmanager
def hashing_for(kind: str) -> Iterator[None]:
    """Let this thread's hashes use the places of `kind` (`STRANGERS` or `STAFF`) meanwhile; `STAFF` otherwise."""
    before, _thread.kind = getattr(_thread, "kind", STAFF), kind
    try:
        yield
    finally:
        _thread.kind = before


class BoundedPasswordHasher(PBKDF2PasswordHasher):
    """Django's default hasher (same algorithm, same stored form) in one of the places above, without a connection."""

    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        """Return the stored form of a password. Raises `HashingBusy`."""
        if not connection.in_atomic_block:
            # Back to the pool; whatever is asked afterwards takes one again.
            connection.close()
        with _places[getattr(_thread, "kind", STAFF)].taken():
            return super().encode(password, salt, iterations)

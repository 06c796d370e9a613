"""Password hashing, bounded: it takes a quarter of a second of processor time on purpose, and any client can cause it.

The hasher below hashes every password (log-in, the dummy hash for unknown names, password changes, new accounts). It
holds no database connection meanwhile, and cannot occupy all threads.
"""

import contextlib
import threading
from collections.abc import Iterator

from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.db import connection

from flashsale.core.capacity.bulkheads import Bulkhead
from flashsale.core.transactions import Busy

# Two bulkheads: log-ins from unknown browsers cannot take the places of everything else.
UNKNOWN_BROWSERS, STAFF = "unknown browsers", "staff"
HASHES_AT_ONCE = 1
HASHES_WAITING = 4
WAIT_SECONDS = 3.0


class HashingBusy(Exception):
    """Too many passwords are being hashed; nothing was compared or stored."""


_bulkheads = {
    kind: Bulkhead(lambda: HASHES_AT_ONCE, waiting=lambda: HASHES_WAITING, wait_seconds=WAIT_SECONDS)
    for kind in (UNKNOWN_BROWSERS, STAFF)
}
_thread = threading.local()


@contextlib.contextmanager
def hashing_for(kind: str) -> Iterator[None]:
    """Use the bulkhead of `kind` (`UNKNOWN_BROWSERS` or `STAFF`) for this thread's hashes; `STAFF` is the default."""
    previous, _thread.kind = getattr(_thread, "kind", STAFF), kind
    try:
        yield
    finally:
        _thread.kind = previous


class BoundedPasswordHasher(PBKDF2PasswordHasher):
    """Django's default hasher (same algorithm, same stored form), in a bulkhead and without a database connection."""

    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        """Return the stored form of a password. Raises `HashingBusy`."""
        if not connection.in_atomic_block:
            # Hashing needs no connection: return it to the pool.
            connection.close()
        try:
            with _bulkheads[getattr(_thread, "kind", STAFF)].entered():
                return super().encode(password, salt, iterations)
        except Busy as error:
            raise HashingBusy from error

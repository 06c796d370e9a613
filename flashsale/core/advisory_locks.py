"""Advisory locks by name, for things that have no row to lock yet."""

import hashlib
from collections.abc import Iterable

from django.db import connection

KEY_BYTES = 8


def lock(names: Iterable[str]) -> None:
    """Lock the names until the transaction ends, in ascending order of their keys; waits at most `lock_timeout`.

    Two names may share a key by chance; then one waits for the other, which costs nothing but time.

    Source: https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS
    """
    keys = sorted({_key(name) for name in names})
    if keys:
        calls = ", ".join(["pg_advisory_xact_lock(%s)"] * len(keys))
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {calls}", keys)


def _key(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=KEY_BYTES).digest(), "big", signed=True)

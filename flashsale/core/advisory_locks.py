"""Advisory locks by name, for things that have no row to lock yet."""

import hashlib
from collections.abc import Iterable

from flashsale.core.statements import Query, Statement, array, fetch

KEY_BYTES = 8

_LOCK = "SELECT count(pg_advisory_xact_lock(key)) FROM unnest(%s::bigint[]) AS key"
_TRY = "SELECT pg_try_advisory_xact_lock(%s) AS locked"


def lock(names: Iterable[str]) -> None:
    """Lock the names until the transaction ends: see `locking_query`."""
    fetch(locking_query(names))


def locking_query(names: Iterable[str]) -> Query[None]:
    """Lock the names until the transaction ends, in ascending order of their keys; waits at most `lock_timeout`.

    Two names may share a key by chance; then one waits for the other, which costs nothing but time.

    Source: https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS
    """
    keys = sorted({_key(name) for name in names})
    return Query([Statement(_LOCK, [array(keys)])] if keys else [], lambda _: None)


def try_locking_query(name: str) -> Query[bool]:
    """Lock a name until the transaction ends and return True; False where another transaction has locked it."""
    return Query([Statement(_TRY, [_key(name)])], lambda results: bool(results[0][0]["locked"]))


def _key(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=KEY_BYTES).digest(), "big", signed=True)

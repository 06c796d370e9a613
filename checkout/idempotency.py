"""Requests that may be repeated: the key a client gave is kept with what the request made, in the same transaction.

A refused request made nothing, so its key stays free. Source: draft-ietf-httpapi-idempotency-key-header-07.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db import connection
from django.db.models import Q, QuerySet

from checkout.models import Hold, Order
from flashsale.core import advisory_locks
from flashsale.core.batching import Admit, Batcher
from flashsale.core.refusals import Refusal

_FOUND, _NOT_FOUND = "found", "not found"
_KNOWN = """
SELECT client, idempotency_key FROM checkout_hold
WHERE idempotency_key IS NOT NULL
AND (client, idempotency_key) IN (SELECT * FROM unnest(%s::text[], %s::text[]))
"""

Made = TypeVar("Made", Hold, Order)


class IdempotencyKeyReused(Refusal):
    code = "idempotency_key_reused"
    title = "This Idempotency-Key was used with another request"


@dataclass(frozen=True, kw_only=True)
class IdempotencyKey:
    """A key, whose it is ("": all anonymous callers'), and the SHA-256 of the validated body it came with."""

    client: str
    key: str
    body_hash: str

    @property
    def name(self) -> tuple[str, str]:
        """What no two holds, and no two orders, share."""
        return self.client, self.key

    @property
    def columns(self) -> dict[str, str]:
        """What is kept of it in a row."""
        return {"client": self.client, "idempotency_key": self.key, "body_hash": self.body_hash}


def request_fingerprint(validated: dict[str, Any]) -> str:
    """Return the SHA-256 (hex) of a validated body; a member that is None counts as absent."""
    given = {name: str(value) for name, value in validated.items() if value is not None}
    return hashlib.sha256(json.dumps(given, sort_keys=True).encode()).hexdigest()


def lock_and_find(made: QuerySet[Made], wanted: Iterable[IdempotencyKey | None]) -> dict[tuple[str, str], Made]:
    """Lock the keys until the transaction ends; return what was made with them before.

    They are locked before anything else, so that of equal requests one acts and the others find what it made.
    """
    names = {once.name for once in wanted if once is not None}
    if not names:
        return {}
    advisory_locks.lock(f"once:{made.model._meta.model_name}:{client}:{key}" for client, key in names)
    same_name = Q(pk__in=[])
    for client, key in names:
        same_name |= Q(client=client, idempotency_key=key)
    return {(row.client, row.idempotency_key): row for row in made.filter(same_name)}


def is_known(once: IdempotencyKey) -> bool:
    """Say whether a committed request made a hold with this key; one query answers all who ask at once."""
    return key_lookup_batcher.submit(None, once) is _FOUND


def _look_up(_: None, keys: list[IdempotencyKey], admit: Admit[IdempotencyKey]) -> list[str]:
    names = [key.name for key in keys]
    clients, client_keys = zip(*names, strict=True)
    with connection.cursor() as cursor:
        cursor.execute(_KNOWN, [list(clients), list(client_keys)])
        known = set(cursor.fetchall())
    return [_FOUND if name in known else _NOT_FOUND for name in names]


key_lookup_batcher: Batcher[None, IdempotencyKey, str] = Batcher(_look_up)


def replay_or_refusal(known: dict[tuple[str, str], Made], once: IdempotencyKey) -> Made | Refusal:
    """Return what an equal request made before, or the refusal of another body."""
    try:
        return replayed(known[once.name], once)
    except IdempotencyKeyReused as refusal:
        return refusal


def replayed(row: Made, once: IdempotencyKey) -> Made:
    """Return what an equal request made before, marked as such. Raises `IdempotencyKeyReused` for another body."""
    if row.body_hash != once.body_hash:
        raise IdempotencyKeyReused
    row.is_replayed = True
    return row

"""Idempotency-Keys: a key is stored with what its request created, in the same transaction.

A refused request created nothing, so its key stays free. Source: draft-ietf-httpapi-idempotency-key-header-07.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import Q, QuerySet

from checkout.models import Hold, Order
from flashsale.core import advisory_locks, clock
from flashsale.core.batching import Admit, Batcher
from flashsale.core.refusals import IdempotencyKeyReused, Refusal
from flashsale.core.statements import Query, Statement, array, fetch
from flashsale.core.transactions import await_standby

_USED = """
SELECT client, idempotency_key FROM {table}
WHERE idempotency_key IS NOT NULL
AND (client, idempotency_key) IN (SELECT * FROM unnest(%s::text[], %s::text[]))
"""

Creation = TypeVar("Creation", Hold, Order)
View = TypeVar("View")


@dataclass(frozen=True, kw_only=True)
class IdempotencyKey:
    """A key, the client it belongs to ("": all anonymous callers), and the SHA-256 (hex) of the request's body."""

    client: str
    key: str
    body_hash: str

    @property
    def name(self) -> tuple[str, str]:
        """Client and key: unique among holds, and among orders."""
        return self.client, self.key

    @property
    def columns(self) -> dict[str, str]:
        """The columns in which a hold or an order stores it."""
        return {"client": self.client, "idempotency_key": self.key, "body_hash": self.body_hash}


def request_fingerprint(validated: dict[str, Any]) -> str:
    """Return the SHA-256 (hex) of a validated body; a member that is None counts as absent.

    The order of names counts nowhere. The fingerprint is stored: the same body has the same one in each version.
    """
    members = {
        name: value if isinstance(value, dict) else str(value) for name, value in validated.items() if value is not None
    }
    return hashlib.sha256(json.dumps(members, sort_keys=True).encode()).hexdigest()


def lock_and_replay(
    rows: QuerySet[Creation],
    keys: Mapping[UUID, IdempotencyKey | None],
    *,
    view: Callable[[Creation, datetime], View],
) -> dict[UUID, View | Refusal]:
    """Lock the requests' keys until the transaction ends; return, by request, what equal requests created earlier.

    That is `view(row, read_at)`, or `IdempotencyKeyReused` where the bodies differ. A request without a key, or with a
    new one, has no entry. What was created earlier is answered once a synchronous standby has it. Keys are locked
    before anything else, so that of concurrent equal requests one creates the row and the others find it.
    """
    names = {key.name for key in keys.values() if key is not None}
    if not names:
        return {}
    _, used = fetch(
        advisory_locks.locking_query(f"once:{rows.model._meta.model_name}:{client}:{key}" for client, key in names),
        _used_query(rows.model, names),
    )
    if not used:
        return {}
    has_key = Q(pk__in=[])
    for client, idempotency_key in used:
        has_key |= Q(client=client, idempotency_key=idempotency_key)
    created = {(row.client, row.idempotency_key): row for row in rows.filter(has_key)}
    read_at = clock.now()
    await_standby()
    return {
        request_id: view(row, read_at) if row.body_hash == key.body_hash else IdempotencyKeyReused()
        for request_id, key in keys.items()
        if key is not None and (row := created.get(key.name)) is not None
    }


def is_used(key: IdempotencyKey) -> bool:
    """Say whether a hold with this key was committed; one query answers all concurrent callers."""
    return key_lookup_batcher.submit(None, key)


def _look_up(_: None, keys: list[IdempotencyKey], admit: Admit[IdempotencyKey]) -> list[bool | Exception]:
    [used] = fetch(_used_query(Hold, {key.name for key in keys}))
    return [key.name in used for key in keys]


def _used_query(model: type[Creation], names: Collection[tuple[str, str]]) -> Query[set[tuple[str, str]]]:
    """Return those of these keys with which a row of this model was created."""
    clients, keys = zip(*names, strict=True)
    statement = Statement(_USED.format(table=model._meta.db_table), [array(clients), array(keys)])
    return Query([statement], lambda results: {(row["client"], row["idempotency_key"]) for row in results[0]})


key_lookup_batcher: Batcher[None, IdempotencyKey, bool] = Batcher(_look_up)

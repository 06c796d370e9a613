"""Idempotency-Keys of the back office API: a request acts once, and its answer is kept for those that repeat it.

The transaction that does what the request asks for stores the key first, under a UNIQUE constraint, and the answer with
it (see `once`). A request with the same key waits for that transaction and gets the stored answer; a refused request
leaves no row. Source: draft-ietf-httpapi-idempotency-key-header-07.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db import connection

from flashsale.core import clock
from flashsale.core.refusals import IdempotencyKeyReused
from flashsale.core.submissions.models import KeyedRequest
from flashsale.core.submissions.once import DoneBefore
from flashsale.core.transactions import retrying_transaction

RETENTION_DAYS = 30
SECRETS_HOURS = 24
PURGE_BATCH_ROWS = 5_000

# Waits for another transaction that is storing the same key, at most for `lock_timeout`.
_CLAIM = """
INSERT INTO submissions_keyedrequest (client, key, fingerprint, body, headers, secrets, made_at)
VALUES (%s, %s, %s, '', '{}', '{}', clock_timestamp())
ON CONFLICT (client, key) DO NOTHING
"""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An answer of the API: its members, and which of them are secrets that are kept for a day only."""

    status: int
    data: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    secret_members: tuple[str, ...] = ()


class AlreadyAnswered(DoneBefore):
    """The request was answered before: carries that `answer`."""

    def __init__(self, answer: Answer) -> None:
        super().__init__("the request was answered before")
        self.answer = answer


@dataclass
class Request:
    """A request as `once.performing` takes it; without a key it may act again.

    `answer` makes the answer of what the verb returned, and `record` records that in histories; both are called in the
    verb's transaction. `made` is the answer, once there is one. `render` makes JSON of an answer's members.
    """

    client: str
    key: str | None
    fingerprint: str
    name: str
    answer: Callable[[Any], Answer]
    record: Callable[[Any], object]
    render: Callable[[Any], bytes]
    made: Answer | None = field(default=None, init=False)
    is_claimed: bool = field(default=False, init=False)
    is_done: bool = field(default=False, init=False)

    def claim(self) -> None:
        """Store the key. Raises `AlreadyAnswered`, and `IdempotencyKeyReused` where the request differs."""
        if self.key is None:
            return
        with connection.cursor() as cursor:
            cursor.execute(_CLAIM, [self.client, self.key, self.fingerprint])
            is_new = cursor.rowcount == 1
        if not is_new:
            raise self._replay(self.key)

    def _replay(self, key: str) -> Exception:
        row = KeyedRequest.objects.get(client=self.client, key=key)
        if row.fingerprint != self.fingerprint:
            return IdempotencyKeyReused()
        secrets = row.secrets if row.made_at > clock.now() - timedelta(hours=SECRETS_HOURS) else {}
        data = json.loads(row.body) | secrets
        return AlreadyAnswered(Answer(status=row.status_code or 0, data=data, headers=row.headers))

    def store(self, result: Any) -> None:
        """Store the answer with the key, and record the change."""
        made = self.made = self.answer(result)
        self.record(result)
        if self.key is None:
            return
        # A member that is a secret stays in its place, as null: a later answer has the same members in this order.
        public = made.data | dict.fromkeys(made.secret_members)
        KeyedRequest.objects.filter(client=self.client, key=self.key).update(
            status_code=made.status,
            body=self.render(public).decode(),
            headers=made.headers,
            secrets=json.loads(self.render({name: made.data[name] for name in made.secret_members})),
        )


def fingerprint_of(method: str, path: str, body: Mapping[str, Any]) -> str:
    """Return the SHA-256 (hex) of a request: method, path, and body after validation."""
    text = json.dumps([method, path, body], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


@retrying_transaction
def erase_secrets(*, limit: int = PURGE_BATCH_ROWS) -> int:
    """Erase the secrets in at most `limit` answers older than `SECRETS_HOURS`; return in how many."""
    old = KeyedRequest.objects.filter(made_at__lt=clock.now() - timedelta(hours=SECRETS_HOURS)).exclude(secrets={})
    ids = list(old.order_by("made_at").values_list("pk", flat=True)[:limit])
    return KeyedRequest.objects.filter(pk__in=ids).update(secrets={})


@retrying_transaction
def purge(*, limit: int = PURGE_BATCH_ROWS) -> int:
    """Delete at most `limit` keys older than `RETENTION_DAYS`; return how many."""
    old = KeyedRequest.objects.filter(made_at__lt=clock.now() - timedelta(days=RETENTION_DAYS))
    ids = list(old.order_by("made_at").values_list("pk", flat=True)[:limit])
    return KeyedRequest.objects.filter(pk__in=ids).delete()[0]

"""Takes the deliveries that are due: each try is counted and leased before it is sent."""

from dataclasses import dataclass, field
from uuid import UUID

from flashsale.core.statements import Row, Statement, array, send
from flashsale.core.transactions import retrying_transaction
from flashsale.core.webhook_signatures import key_of
from flashsale.outbox.deliveries import sample_messages
from flashsale.outbox.deliveries.schedule import MAX_TRIES
from flashsale.outbox.models import Event

MAX_IN_FLIGHT = 4
# More than four times as long as a try takes at most.
LEASE_SECONDS = 60

# An endpoint that another process leases or judges at this moment is left out: it has its turn at once afterwards.
_LOCK = "SELECT id FROM outbox_endpoint WHERE deleted_at IS NULL ORDER BY id FOR NO KEY UPDATE SKIP LOCKED"
# The last try of these ended without an answer: their process died.
_END = """
UPDATE outbox_delivery SET status = 'dead', next_try_at = NULL, lease = NULL, last_error = %s
WHERE endpoint_id = ANY(%s::uuid[]) AND status = 'pending' AND event_id IS NOT NULL
    AND next_try_at <= statement_timestamp() AND tries >= %s AND lease IS NOT NULL
"""
_DIED = "The process that sent it ended before the answer."
# For each endpoint, the index gives the rows that are due in their order: how many others wait costs nothing. The limit
# is a constant, from which PostgreSQL knows that few rows are chosen.
_LEASE = """
WITH endpoint AS MATERIALIZED (
    SELECT id, url,
        CASE WHEN previous_secrets_until > statement_timestamp() THEN secret || previous_secrets
            ELSE ARRAY[secret] END AS secrets,
        CASE WHEN status = 'enabled' THEN %s
            WHEN status = 'failing' AND next_probe_at <= statement_timestamp() THEN 1 ELSE 0 END
        - (SELECT count(*) FROM outbox_delivery WHERE endpoint_id = outbox_endpoint.id AND lease IS NOT NULL
            AND next_try_at > statement_timestamp()) AS room
    FROM outbox_endpoint WHERE id = ANY(%s::uuid[])
), chosen AS MATERIALIZED (
    SELECT due.id FROM endpoint CROSS JOIN LATERAL (
        (SELECT id FROM (
            SELECT id, row_number() OVER (ORDER BY next_try_at, id) AS place FROM outbox_delivery
            WHERE endpoint_id = endpoint.id AND status = 'pending'
                AND event_id IS NOT NULL AND next_try_at <= statement_timestamp()
            ORDER BY next_try_at, id LIMIT %s
        ) AS first WHERE place <= endpoint.room)
        UNION ALL
        (SELECT id FROM outbox_delivery WHERE endpoint_id = endpoint.id AND status = 'pending'
            AND event_id IS NULL AND next_try_at <= statement_timestamp() LIMIT 1)
    ) AS due
)
UPDATE outbox_delivery AS delivery SET tries = tries + 1, lease = gen_random_uuid(),
    next_try_at = statement_timestamp() + make_interval(secs => %s)
FROM chosen, endpoint
WHERE delivery.id = chosen.id AND endpoint.id = delivery.endpoint_id
    AND delivery.status = 'pending' AND delivery.next_try_at <= statement_timestamp()
RETURNING delivery.id, delivery.endpoint_id, delivery.event_id, delivery.test_id, delivery.tries, delivery.lease,
    delivery.created_at, endpoint.url, endpoint.secrets
"""
_BODIES = "SELECT sequence, public_id, body FROM outbox_event WHERE sequence = ANY(%s::bigint[])"


@dataclass(frozen=True)
class Message:
    """One try of a delivery, as it is sent; `keys` sign it."""

    delivery_id: int
    endpoint_id: UUID
    lease: UUID
    tries: int
    is_test: bool
    message_id: str
    url: str = field(repr=False)
    body: bytes = field(repr=False)
    keys: tuple[bytes, ...] = field(repr=False)


@retrying_transaction
def lease_due() -> list[Message]:
    """Lease what may be sent now: at most `MAX_IN_FLIGHT` deliveries of an endpoint, of a failing one a single probe.

    Each is a try that counts.
    """
    [locked] = send([Statement(_LOCK)])
    ids = array(row["id"] for row in locked)
    # With a snapshot that is taken after the locks: it shows what the process before has leased.
    _, leased = send(
        [
            Statement(_END, [_DIED, ids, MAX_TRIES]),
            Statement(_LEASE, [MAX_IN_FLIGHT, ids, MAX_IN_FLIGHT, LEASE_SECONDS]),
        ]
    )
    [bodies] = send([Statement(_BODIES, [array(row["event_id"] for row in leased if row["event_id"])])])
    events = {row["sequence"]: row for row in bodies}
    return [_message_of(row, events) for row in leased]


def _message_of(row: Row, events: dict[int, Row]) -> Message:
    is_test = row["event_id"] is None
    if is_test:
        message_id, body = sample_messages.message_of(
            row["test_id"], endpoint_id=row["endpoint_id"], moment=row["created_at"]
        )
    else:
        event = events[row["event_id"]]
        message_id, body = Event(public_id=event["public_id"]).shown_id, event["body"].encode()
    return Message(
        delivery_id=row["id"],
        endpoint_id=row["endpoint_id"],
        lease=row["lease"],
        tries=row["tries"],
        is_test=is_test,
        message_id=message_id,
        url=row["url"],
        body=body,
        keys=tuple(key_of(secret) for secret in row["secrets"]),
    )

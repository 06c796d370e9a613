"""Deliveries that staff or the back end ask for: what an endpoint missed, an event again, a test."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from flashsale.core import clock
from flashsale.core.refusals import NotFound
from flashsale.core.statements import Statement, array, send
from flashsale.core.submissions.once import retrying_transaction_once
from flashsale.outbox import endpoints
from flashsale.outbox.endpoints import statuses
from flashsale.outbox.models import Delivery, Endpoint, Numbering

# Of more events the rest is replayed by the next request, from `through` on.
MAX_REPLAYED = 10_000

_PENDING_NOW = "status = 'pending', tries = 0, next_try_at = clock_timestamp(), lease = NULL, delivered_at = NULL"
# Only those that were tried: what waits has been due since it was made.
_RESUME = """
UPDATE outbox_delivery SET next_try_at = clock_timestamp()
WHERE endpoint_id = %s AND status = 'pending' AND event_id IS NOT NULL AND next_try_at > clock_timestamp()
    AND lease IS NULL
"""
_CHOSEN = """
SELECT sequence FROM outbox_event
WHERE sequence > %s AND sequence <= %s AND (%s = '{}' OR type = ANY(%s::text[])) ORDER BY sequence LIMIT %s
"""
_REPLAY = f"""
INSERT INTO outbox_delivery (
    endpoint_id, event_id, status, tries, next_try_at, last_answer, last_error, attempts, created_at
)
SELECT %s, sequence, 'pending', 0, clock_timestamp(), '', '', '[]', clock_timestamp()
FROM unnest(%s::bigint[]) AS sequence
ON CONFLICT (endpoint_id, event_id) DO UPDATE SET {_PENDING_NOW} WHERE outbox_delivery.status <> 'pending'
"""  # noqa: S608  constants


@dataclass(frozen=True)
class Replay:
    """How many events are sent again, up to the one numbered `through`, and whether there are more after it."""

    count: int
    through: int
    has_more: bool


@retrying_transaction_once
def enable(endpoint_id: UUID) -> Endpoint:
    """Send to an endpoint again, what it missed included, as if it had never failed. Raises `NotFound`."""
    endpoint = endpoints.lock(endpoint_id)
    statuses.enable(endpoint)
    send([Statement(_RESUME, [endpoint_id])])
    return endpoint


@retrying_transaction_once
def test(endpoint_id: UUID) -> Delivery:
    """Send a test message to an endpoint, once, whatever its status; a success ends its failing. Raises `NotFound`."""
    endpoint = endpoints.lock(endpoint_id)
    now = clock.now()
    return Delivery.objects.create(endpoint=endpoint, test_id=uuid.uuid4(), next_try_at=now, created_at=now)


@retrying_transaction_once
def retry(endpoint_id: UUID, delivery_id: int) -> Delivery:
    """Send an event again now, with the same id, and with as many tries as a new one. Raises `NotFound`.

    A failing endpoint is probed at once; while it is disabled, the delivery waits.
    """
    endpoint = endpoints.lock(endpoint_id)
    delivery = _lock(endpoint, delivery_id)
    delivery.status, delivery.tries, delivery.lease = Delivery.Status.PENDING, 0, None
    delivery.next_try_at, delivery.delivered_at = clock.now(), None
    delivery.save(update_fields=["status", "tries", "lease", "next_try_at", "delivered_at"])
    statuses.probe_now(endpoint)
    return delivery


@retrying_transaction_once
def replay(endpoint_id: UUID, *, after: int, until: int | None = None, types: Iterable[str] = ()) -> Replay:
    """Send the events numbered after `after` up to `until`, or to the newest, again: of `types`, or all that it gets.

    Events keep their ids. At most `MAX_REPLAYED` are sent; what is under way anyway is not counted. Raises `NotFound`.
    """
    endpoint = endpoints.lock(endpoint_id)
    last = Numbering.objects.values_list("last_sequence", flat=True).first() or 0
    until = last if until is None else min(until, last)
    wanted = sorted(set(types) & set(endpoint.types or types)) if types else endpoint.types
    if types and not wanted:
        return Replay(count=0, through=until, has_more=False)
    chosen_types = array(wanted)
    [chosen] = send([Statement(_CHOSEN, [after, until, chosen_types, chosen_types, MAX_REPLAYED + 1])])
    replayed, has_more = chosen[:MAX_REPLAYED], len(chosen) > MAX_REPLAYED
    statuses.probe_now(endpoint)
    send([Statement(_REPLAY, [endpoint_id, array(row["sequence"] for row in replayed)])])
    through = replayed[-1]["sequence"] if has_more else until
    return Replay(count=len(replayed), through=through, has_more=has_more)


def _lock(endpoint: Endpoint, delivery_id: int) -> Delivery:
    found = Delivery.objects.select_for_update(no_key=True, of=("self",)).select_related("event")
    delivery = found.filter(pk=delivery_id, endpoint=endpoint).first()
    if delivery is None:
        raise NotFound("The endpoint has no such delivery, or its event is older than 30 days.")
    return delivery

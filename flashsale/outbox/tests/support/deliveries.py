"""Events and deliveries for tests, and how time passes for them."""

import json

from django.db import connection

from flashsale.outbox.deliveries import making, sending
from flashsale.outbox.endpoints import create
from flashsale.outbox.models import Delivery, Endpoint, Event
from flashsale.outbox.tests.support.receivers import Receiver

PASS = """
UPDATE outbox_delivery SET next_try_at = next_try_at - make_interval(secs => %(seconds)s);
UPDATE outbox_endpoint SET next_probe_at = next_probe_at - make_interval(secs => %(seconds)s),
    failing_since = failing_since - make_interval(secs => %(seconds)s),
    previous_secrets_until = previous_secrets_until - make_interval(secs => %(seconds)s)
"""
HAPPEN = """
INSERT INTO outbox_event (type, resource, resource_id, public_id, sequence, body, recorded_at)
SELECT %(type)s, 'order', number::text, gen_random_uuid(), number, %(body)s, clock_timestamp()
FROM generate_series(
    (SELECT coalesce(max(sequence), 0) + 1 FROM outbox_event),
    (SELECT coalesce(max(sequence), 0) + %(count)s FROM outbox_event)
) AS number RETURNING sequence
"""
ADVANCE = """
INSERT INTO outbox_numbering (id, last_sequence, purged_through, cluster)
SELECT 1, max(sequence), 0, '' FROM outbox_event
ON CONFLICT (id) DO UPDATE SET last_sequence = EXCLUDED.last_sequence
"""
PILE_UP = """
SET session_replication_role = replica;
WITH event AS (
    INSERT INTO outbox_event (type, resource, resource_id, public_id, sequence, body, recorded_at)
    SELECT 'order.paid', 'order', '', gen_random_uuid(), number, '{}', now()
    FROM generate_series(1, %(count)s) AS number RETURNING sequence
)
INSERT INTO outbox_delivery (
    endpoint_id, event_id, status, tries, next_try_at, last_answer, last_error, attempts, created_at
)
SELECT %(endpoint)s, sequence, 'pending', 0, now(), '', '', '[]', now() FROM event;
SET session_replication_role = DEFAULT
"""


def endpoint_at(receiver: Receiver, **kwargs) -> Endpoint:
    """Register an endpoint at a receiver."""
    return create(url=receiver.url, **kwargs)


def happen(count: int = 1, *, event_type: str = "order.paid", customer: str = "c-1") -> list[Event]:
    """Let events happen that are numbered at once, with their deliveries."""
    body = json.dumps({"type": event_type, "data": {"customer_id": customer}})
    with connection.cursor() as cursor:
        cursor.execute(HAPPEN, {"type": event_type, "count": count, "body": body})
        events = [Event(pk=pk) for (pk,) in cursor.fetchall()]
        cursor.execute(ADVANCE)
        for statement in making.statements(events):
            cursor.execute(statement.sql, statement.params)
    return list(Event.objects.filter(pk__in=[event.pk for event in events]).order_by("pk"))


def pile_up(endpoint: Endpoint, count: int) -> None:
    """Let many deliveries wait for an endpoint, made by one statement without triggers, which check foreign keys."""
    with connection.cursor() as cursor:
        cursor.execute(PILE_UP, {"count": count, "endpoint": endpoint.pk})


def pass_time(seconds: float) -> None:
    """Let everything that waits be due so much earlier."""
    with connection.cursor() as cursor:
        cursor.execute(PASS, {"seconds": seconds})


def run_after(seconds: float) -> int:
    """Let time pass, then send what is due; return how many tries there were."""
    pass_time(seconds)
    return sending.run()


def tries() -> list[int]:
    """Return how often each delivery was tried, in the order of their events."""
    return list(Delivery.objects.order_by("pk").values_list("tries", flat=True))


def statuses() -> list[str]:
    """Return the status of each delivery, in the order of their events."""
    return list(Delivery.objects.order_by("pk").values_list("status", flat=True))

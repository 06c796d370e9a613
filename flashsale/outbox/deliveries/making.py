"""Makes the deliveries of events, in the transaction that numbers them."""

from collections.abc import Sequence

from flashsale.core.statements import Statement, array
from flashsale.outbox.models import Event

# Endpoints that are failing or disabled get their deliveries, too: they wait. The lock keeps an endpoint from being
# purged before the commit checks the foreign keys.
_MAKE = """
INSERT INTO outbox_delivery (
    endpoint_id, event_id, status, tries, next_try_at, last_answer, last_error, attempts, created_at
)
SELECT endpoint.id, event.sequence, 'pending', 0, statement_timestamp(), '', '', '[]', statement_timestamp()
FROM (SELECT id, types, created_at FROM outbox_endpoint WHERE deleted_at IS NULL FOR KEY SHARE) AS endpoint
JOIN outbox_event AS event
    ON event.sequence = ANY(%s::bigint[]) AND event.recorded_at >= endpoint.created_at
    AND (endpoint.types = '{}' OR event.type = ANY(endpoint.types))
ON CONFLICT (endpoint_id, event_id) DO NOTHING
"""


def statements(events: Sequence[Event]) -> list[Statement]:
    """Return what makes a delivery of each event for each endpoint that gets its type and existed when it happened."""
    return [Statement(_MAKE, [array(event.pk for event in events)])]

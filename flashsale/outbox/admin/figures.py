"""What waits for endpoints and what they got: one statement for all of them, which counts to a limit."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from flashsale.core.statements import Statement, array, send
from flashsale.outbox.models import Endpoint

# More are shown as "more than" so many.
MAX_COUNTED = 1_000
# The last delivery is looked for among so many of the newest ones that were delivered.
NEWEST = 100

_FIGURES = """
SELECT endpoint.id,
    (SELECT count(*) FROM (SELECT FROM outbox_delivery
        WHERE endpoint_id = endpoint.id AND status = 'pending' LIMIT %s) AS pending) AS pending,
    (SELECT created_at FROM outbox_delivery
        WHERE endpoint_id = endpoint.id AND status = 'pending' ORDER BY created_at, id LIMIT 1) AS pending_since,
    (SELECT count(*) FROM (SELECT FROM outbox_delivery
        WHERE endpoint_id = endpoint.id AND status = 'dead' LIMIT %s) AS dead) AS dead,
    (SELECT max(delivered_at) FROM (SELECT delivered_at FROM outbox_delivery
        WHERE endpoint_id = endpoint.id AND status = 'delivered' ORDER BY created_at DESC, id DESC LIMIT %s) AS newest
    ) AS delivered_at
FROM unnest(%s::uuid[]) AS endpoint(id)
"""


@dataclass(frozen=True)
class Figures:
    """An endpoint's deliveries: how many are pending, since when the oldest, how many are dead, and the last success.

    Each number is at most `MAX_COUNTED` + 1.
    """

    pending: int
    pending_since: datetime | None
    dead: int
    delivered_at: datetime | None


def of(endpoints: Iterable[Endpoint]) -> Mapping[UUID, Figures]:
    """Return the figures of some endpoints, by their ids."""
    ids = array(endpoint.pk for endpoint in endpoints)
    [rows] = send([Statement(_FIGURES, [MAX_COUNTED + 1, MAX_COUNTED + 1, NEWEST, ids])])
    return {row.pop("id"): Figures(**row) for row in rows}


def of_one(endpoint: Endpoint) -> Figures:
    """Return the figures of an endpoint."""
    return of([endpoint])[endpoint.pk]

"""What this process has counted and not stored yet: tickets minted, admitted tickets that came, answers `busy`.

Losing them costs pace, never a place.
"""

import threading
from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from checkout.waiting_room.models import LateTickets, Queue
from flashsale.core.statements import Statement, array, send
from flashsale.core.transactions import retrying_transaction

# Admitted tickets that are remembered, so that a ticket which tries again does not count as another one.
MAX_REMEMBERED = 100_000

_ADD = f"""
UPDATE {Queue._meta.db_table}
SET tickets = tickets + %s, late_tickets = late_tickets + %s, claims = claims + %s, busy = busy + %s
WHERE product_id = %s
"""  # noqa: S608  a table's name
# Sorted: several processes write the same rows at the same time, and would deadlock in another order.
_ADD_LATE = f"""
INSERT INTO {LateTickets._meta.db_table} AS stored (product_id, began_at, tickets)
SELECT %s, began_at, tickets FROM unnest(%s::timestamptz[], %s::integer[]) AS counted (began_at, tickets)
ORDER BY began_at
ON CONFLICT (product_id, began_at) DO UPDATE SET tickets = stored.tickets + excluded.tickets
"""  # noqa: S608  a table's name


@dataclass
class Counts:
    """Of one product. `late` has the tickets minted after the draw, by second; `tickets` those before."""

    tickets: int = 0
    claims: int = 0
    busy: int = 0
    late: Counter[datetime] = field(default_factory=Counter)

    def add(self, other: "Counts") -> None:
        """Add another count to this one."""
        self.tickets += other.tickets
        self.claims += other.claims
        self.busy += other.busy
        self.late.update(other.late)


class QueueCounter:
    """Counts by product until they are stored."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._unstored: dict[int, Counts] = {}
        self._seen: OrderedDict[UUID, None] = OrderedDict()

    def reset(self) -> None:
        """Forget everything."""
        with self._mutex:
            self._unstored, self._seen = {}, OrderedDict()

    def count_ticket(self, product_id: int, *, minted_at: datetime, is_drawn: bool) -> None:
        """Count a ticket that was minted."""
        with self._mutex:
            counts = self._of(product_id)
            if is_drawn:
                counts.late[minted_at.replace(microsecond=0)] += 1
            else:
                counts.tickets += 1

    def count_claim(self, product_id: int, ticket_id: UUID) -> None:
        """Count an admitted ticket that came, unless this process has counted it lately."""
        with self._mutex:
            if ticket_id in self._seen:
                return
            self._seen[ticket_id] = None
            if len(self._seen) > MAX_REMEMBERED:
                self._seen.popitem(last=False)
            self._of(product_id).claims += 1

    def count_busy(self, product_id: int) -> None:
        """Count a request for a hold that was answered `busy`."""
        with self._mutex:
            self._of(product_id).busy += 1

    def store(self) -> None:
        """Store what was counted since the last time. On an error it is kept for the next time, and raised."""
        with self._mutex:
            unstored, self._unstored = self._unstored, {}
        if not unstored:
            return
        try:
            _store(unstored)
        except Exception:
            with self._mutex:
                for product_id, counts in unstored.items():
                    self._of(product_id).add(counts)
            raise

    def _of(self, product_id: int) -> Counts:
        counts = self._unstored.get(product_id)
        if counts is None:
            counts = self._unstored[product_id] = Counts()
        return counts


@retrying_transaction
def _store(unstored: dict[int, Counts]) -> None:
    """Add the counts in one message, products in ascending order. After a lost connection it may have been done."""
    statements = []
    for product_id, counts in sorted(unstored.items()):
        late = counts.late.total()
        statements.append(Statement(_ADD, [counts.tickets, late, counts.claims, counts.busy, product_id]))
        if counts.late:
            moments = array(moment.isoformat() for moment in counts.late)
            statements.append(Statement(_ADD_LATE, [product_id, moments, array(counts.late.values())]))
    send(statements)


counter = QueueCounter()

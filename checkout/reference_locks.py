"""Advisory locks on the references by which an event may name an order: order id, hold id, payment id.

The creation of an order and an event that looks for the order take the same locks, so one of them always sees the
other: the event finds the order, or the order finds the parked event. They are taken before any row lock.
"""

import itertools
from collections.abc import Iterable, Iterator
from uuid import UUID

from flashsale.core import advisory_locks
from flashsale.core.statements import Query


def locking_query(references: Iterable[tuple[UUID | None, UUID | None, str | None]]) -> Query[None]:
    """Lock references, each an order id, hold id and payment id (None: not named), until the transaction ends."""
    return advisory_locks.locking_query(itertools.chain.from_iterable(_keys(*ids) for ids in references))


def _keys(order_id: UUID | None, hold_id: UUID | None, payment_id: str | None) -> Iterator[str]:
    id_by_kind = {"order": order_id, "hold": hold_id, "payment": payment_id}
    return (f"{kind}:{value}" for kind, value in id_by_kind.items() if value is not None)

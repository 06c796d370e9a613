"""Locks on what an order may be called: its own id, its hold's id, its payment's id.

The creation of an order and an event that looks for the order take the same locks, so one of them always sees the
other: the event finds the order, or the order finds the parked event. They come before every row lock.
"""

import itertools
from collections.abc import Iterable, Iterator
from uuid import UUID

from flashsale.core import advisory_locks


def lock_all(each: Iterable[tuple[UUID | None, UUID | None, str | None]]) -> None:
    """Lock references, given as order id, hold id and payment id of each event, until the transaction ends."""
    advisory_locks.lock(itertools.chain.from_iterable(_keys(*names) for names in each))


def _keys(order_id: UUID | None, hold_id: UUID | None, payment_id: str | None) -> Iterator[str]:
    references = {"order": order_id, "hold": hold_id, "payment": payment_id}
    return (f"{kind}:{value}" for kind, value in references.items() if value is not None)

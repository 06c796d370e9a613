"""Locks on what an order may be called: its own id, its hold's id, its payment's id.

The creation of an order and an event that looks for the order take the same locks, so one of them always sees the
other: the event finds the order, or the order finds the parked event. They come before every row lock.
"""

from uuid import UUID

from flashsale.core import advisory


def lock(*, order_id: UUID | None = None, hold_id: UUID | None = None, payment_id: str | None = None) -> None:
    """Lock the given references until the transaction ends."""
    named = {"order": order_id, "hold": hold_id, "payment": payment_id}
    advisory.lock(f"{kind}:{value}" for kind, value in named.items() if value is not None)

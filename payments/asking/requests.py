"""Requests to a provider: each takes its slot, and no database connection is held while the provider is asked."""

import itertools
from collections.abc import Iterator
from typing import TypeVar

from payments import request_slots
from payments.providers.payment_client import Call, ListingFailed, PaymentClient

Item = TypeVar("Item")

# As many as a page of a provider's list has.
PART_ITEMS = 100
# How long a request waits for its slot: while buyers wait for theirs, background work has a small share of them.
SLOT_WAIT_SECONDS = 30.0


def wait_for_slot(client: PaymentClient, call: Call) -> None:
    """Wait until a request may be sent. Raises `ListingFailed` when too many others wait already."""
    if not request_slots.wait_for(client.slot_of(call), seconds=SLOT_WAIT_SECONDS):
        raise ListingFailed("Too many requests wait to be sent to the provider; this one was not.")


def in_parts(listed: Iterator[Item]) -> Iterator[list[Item]]:
    """Yield what a list has in parts of `PART_ITEMS` at most; while it is read the thread has no connection."""
    while True:
        request_slots.release_connection()
        part = list(itertools.islice(listed, PART_ITEMS))
        if not part:
            return
        yield part

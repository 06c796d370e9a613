"""Requests to a provider: each takes its slot, and no database connection is held while the provider is asked."""

import itertools
import time
from collections.abc import Iterator
from typing import TypeVar

from django.db import connection

from flashsale.core.transactions import retrying_transaction
from payments import request_slots
from payments.providers.payment_client import Call, ListingFailed, PaymentClient

Item = TypeVar("Item")

# As many as a page of a provider's list has.
PART_ITEMS = 100
# How long a request waits for its slot: while buyers wait for theirs, background work has a small share of them.
SLOT_WAIT_SECONDS = 30.0
PAUSE_SECONDS = 0.1


def wait_for_slot(client: PaymentClient, call: Call) -> None:
    """Wait until a request may be sent. Raises `ListingFailed` when too many others wait already."""
    ends_at = time.monotonic() + SLOT_WAIT_SECONDS
    while (wait := _reserve(client.slot_of(call))) is None:
        if time.monotonic() > ends_at:
            raise ListingFailed("Too many requests wait to be sent to the provider; this one was not.")
        time.sleep(PAUSE_SECONDS)
    release_connection()
    time.sleep(wait)


def in_parts(listed: Iterator[Item]) -> Iterator[list[Item]]:
    """Yield what a list has in parts of `PART_ITEMS` at most; while it is read the thread has no connection."""
    while True:
        release_connection()
        part = list(itertools.islice(listed, PART_ITEMS))
        if not part:
            return
        yield part


def release_connection() -> None:
    """Return the thread's database connection to the pool, unless a transaction is open (in tests)."""
    if not connection.in_atomic_block:
        connection.close()


@retrying_transaction
def _reserve(slot: str) -> float | None:
    return request_slots.reserve(slot, max_wait=SLOT_WAIT_SECONDS, is_urgent=False)

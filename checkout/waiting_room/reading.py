"""The present state of a queue, for requests: this process's copy of it, else one read for all that ask at once."""

import logging
from datetime import datetime

from django.db import DatabaseError

from catalog import snapshot_refresh
from catalog.queue_columns import Queue
from checkout.waiting_room import moving, queues
from checkout.waiting_room.database_clock import database_clock
from checkout.waiting_room.queues import QueueView, copies
from flashsale.core.batching import Admit, Batcher
from flashsale.core.refusals import NotFound
from flashsale.core.transactions import is_temporary

log = logging.getLogger(__name__)

NO_QUEUE = "This product has no queue."


def get(product_id: int) -> tuple[QueueView, datetime]:
    """Return the queue of a published product, and the database's present time: never before the queue was read.

    While PostgreSQL does not answer, it is the last copy of this process: tickets are minted all the same. Raises
    `NotFound` where the product has none.
    """
    now = database_clock.now()
    view = copies.fresh(product_id, now=now)
    if view is not None and not _begins(view, now=now):
        return view, max(now, view.read_at)
    view = _read(product_id, last=view or copies.last(product_id))
    return view, max(database_clock.now(), view.read_at)


def _read(product_id: int, *, last: QueueView | None) -> QueueView:
    """Return the queue as it is, or `last`, the copy there is, where it cannot be read. Raises `NotFound`."""
    if last is None and not _has_queue(product_id):
        raise NotFound(NO_QUEUE)
    if last is not None and not copies.may_read(product_id):
        return last
    try:
        return queue_single_flight.submit(product_id, None)
    except Exception as error:
        copies.put_off(product_id)
        if last is None or not is_temporary(error):
            raise
        return last


def _has_queue(product_id: int) -> bool:
    """Say whether a product has a queue, by its snapshot: a request for any other product reads nothing more."""
    if copies.has(product_id):
        return True
    return bool(snapshot_refresh.read_product(product_id).members["queue"] == Queue.ON)


def _begins(view: QueueView, *, now: datetime) -> bool:
    """Say whether the queue is to be made, or drawn, before it is used."""
    return view.line is None and view.is_due_at(now)


def _read_shared(product_id: int, requests: list[None], admit: Admit[None]) -> list[QueueView | Exception]:
    """Read a queue once for all concurrent requests, and move it first where no process has done so in time."""
    view = queues.read(product_id)
    if view is not None and view.is_due_at(view.read_at) and _is_moved(product_id):
        view = queues.read(product_id)
    if view is None:
        return [NotFound(NO_QUEUE) for _ in requests]
    return [view] * len(requests)


def _is_moved(product_id: int) -> bool:
    """Move a queue, and say whether that could be done: where not, it goes on by the clock, and so do requests."""
    try:
        moving.move(product_id)
    except DatabaseError as error:
        log.warning("the queue of product %s was not moved, and goes on by the clock: %s", product_id, error)
        return False
    return True


queue_single_flight: Batcher[int, None, QueueView] = Batcher(_read_shared)

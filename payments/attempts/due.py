"""Asks the provider about attempts whose time has come: to make them, to close them, to look them up.

Several processes may do so at once: each attempt is leased while it is asked about.
"""

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import zip_longest
from uuid import UUID

from django.db import connections

from flashsale.core import clock
from payments import attempt_records
from payments.attempts import asking
from payments.models import PaymentAttempt

Status = PaymentAttempt.Status
log = logging.getLogger(__name__)

# Requests to the provider at once; each needs a database connection before and after it.
THREADS = 8
BATCH_ROWS = 400
# No request begins after this; one may take `time_limits.TASK_TIMEOUT_SECONDS` more.
RUN_SECONDS = 4
LOOK_UP_RUN_SECONDS = 45
# How long background work waits for its slot.
BACKGROUND_SLOT_SECONDS = 5.0


def run_due() -> int:
    """Close the attempts whose time is over, and make and close at the provider what is due; return how many."""
    attempt_records.close_overdue()
    due = attempt_records.due(clock.now())
    making, closing = (
        due.filter(status=status).values_list("pk", flat=True)[:BATCH_ROWS]
        for status in (Status.CREATING, Status.CLOSING)
    )
    # In turn: while the provider is slow, a rush of new payments must not keep those from being closed that are over.
    in_turn = [attempt_id for pair in zip_longest(making, closing) for attempt_id in pair if attempt_id is not None]
    return _run(partial(asking.ask_in_task, is_urgent=True), in_turn, seconds=RUN_SECONDS)


def look_up_due() -> int:
    """Ask about the open attempts without news; return how many were asked about."""
    attempt_ids = attempt_records.due(clock.now()).filter(status=Status.OPEN).values_list("pk", flat=True)[:BATCH_ROWS]
    look_up = partial(asking.ask_in_task, is_urgent=False, max_wait=BACKGROUND_SLOT_SECONDS)
    return _run(look_up, list(attempt_ids), seconds=LOOK_UP_RUN_SECONDS)


def _run(ask_about: Callable[[UUID], bool], attempt_ids: Sequence[UUID], *, seconds: float) -> int:
    """Ask about attempts, several at once, until `seconds` are over; return how many were asked about."""
    ends_at = time.monotonic() + seconds

    def ask(attempt_id: UUID) -> bool:
        try:
            return time.monotonic() < ends_at and ask_about(attempt_id)
        except Exception:
            # Its lease runs out, and it is asked about again; the others are not delayed.
            log.exception("the provider was not asked about attempt %s", attempt_id)
            return False

    def ask_in_thread(attempt_id: UUID) -> bool:
        try:
            return ask(attempt_id)
        finally:
            connections.close_all()

    if len(attempt_ids) <= 1:
        return sum(map(ask, attempt_ids))

    with ThreadPoolExecutor(min(THREADS, len(attempt_ids)), thread_name_prefix="provider") as threads:
        return sum(threads.map(ask_in_thread, attempt_ids))

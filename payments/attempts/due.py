"""Asks the provider about attempts whose time has come: to make them, to close them, to look them up.

Several processes may do so at once: each attempt is leased while it is asked about.
"""

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
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
# While payments are made that take long, others are closed so often.
CLOSING_INTERVAL_SECONDS = 1.0
# How long background work waits for its slot.
BACKGROUND_SLOT_SECONDS = 5.0


def run_due() -> int:
    """Close the attempts whose time is over, and make and close at the provider what is due; return how many."""
    attempt_records.close_overdue()
    making, closing = _due(Status.CREATING), _due(Status.CLOSING)
    run = _close_while_making if len(making) > 1 or (making and closing) else _close_and_make
    return run(making, closing)


def _close_and_make(making: Sequence[UUID], closing: Sequence[UUID]) -> int:
    return _run(_ask_urgently, closing, seconds=RUN_SECONDS) + _run(_ask_urgently, making, seconds=RUN_SECONDS)


def _close_while_making(making: Sequence[UUID], closing: Sequence[UUID]) -> int:
    """Make payments in threads of their own, and close others until they are made.

    A provider that is slow in making payments must keep none from being closed whose time is over, nor the other way
    round.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="provider") as thread:
        made, closed = thread.submit(_make, making), 0
        while True:
            closed += _run(_ask_urgently, closing, seconds=RUN_SECONDS, threads=THREADS // 2)
            if not wait([made], timeout=CLOSING_INTERVAL_SECONDS).not_done:
                return closed + made.result()
            attempt_records.close_overdue()
            closing = _due(Status.CLOSING)


def _make(attempt_ids: Sequence[UUID]) -> int:
    """Make payments in a thread that was begun for it, and with half of the others."""
    try:
        return _run(_ask_urgently, attempt_ids, seconds=RUN_SECONDS, threads=THREADS // 2)
    finally:
        connections.close_all()


def _due(status: PaymentAttempt.Status) -> list[UUID]:
    return list(attempt_records.due(clock.now()).filter(status=status).values_list("pk", flat=True)[:BATCH_ROWS])


def _ask_urgently(attempt_id: UUID) -> bool:
    return asking.ask_in_task(attempt_id, is_urgent=True)


def look_up_due() -> int:
    """Ask about the open attempts without news; return how many were asked about."""
    look_up = partial(asking.ask_in_task, is_urgent=False, max_wait=BACKGROUND_SLOT_SECONDS)
    return _run(look_up, _due(Status.OPEN), seconds=LOOK_UP_RUN_SECONDS)


def _run(
    ask_about: Callable[[UUID], bool], attempt_ids: Sequence[UUID], *, seconds: float, threads: int = THREADS
) -> int:
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

    with ThreadPoolExecutor(min(threads, len(attempt_ids)), thread_name_prefix="provider") as pool:
        return sum(pool.map(ask_in_thread, attempt_ids))

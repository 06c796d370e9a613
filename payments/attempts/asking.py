"""Asks the provider about one attempt and commits what it says.

What the provider says of money goes through the inbox before it is noted on the attempt: if the process dies between
the two, the next answer is the same event. While the provider is asked no transaction is open and no database
connection is taken from the pool.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from uuid import UUID

from django.db import connection

from flashsale.core import greenlets
from flashsale.core.capacity import shares
from flashsale.core.capacity.bulkheads import Bulkhead
from flashsale.core.transactions import Busy, retrying_transaction
from payments import attempt_records, inbox, request_slots
from payments.attempt_records import Question, Stored
from payments.models import PaymentAttempt, WebhookEvent
from payments.providers import PAYMENT_CLIENTS, PROVIDERS
from payments.providers.payment_client import PaymentAnswer, PaymentClient

# What a request spends on the provider, its slot included.
REQUEST_SECONDS = 3.0
# However long the rest took.
MIN_REQUEST_SECONDS = 0.5
# How long a request may wait for its slot.
SLOT_SECONDS = 1.5
# More than a slow provider takes: a repeated request with the same key is refused while the first one runs.
TASK_TIMEOUT_SECONDS = 25.0

# Requests of a process that ask a provider; others leave that to the tasks.
_asking = Bulkhead(shares.provider_requests)


def ask_in_request(attempt_id: UUID, *, unless_asked_within: float | None = None) -> None:
    """Ask the provider about an attempt that is due, within `REQUEST_SECONDS`, unless this process is asking too much.

    With `unless_asked_within` also about one that is not due, but was not asked for within so many seconds.
    """
    started = time.monotonic()
    try:
        with _asking.entered():
            question = attempt_records.begin(
                attempt_id,
                timeout=REQUEST_SECONDS,
                max_wait=SLOT_SECONDS,
                is_urgent=True,
                unless_asked_within=unless_asked_within,
            )
            if question is not None:
                ask_in_slot(question, started=started)
    except Busy:
        return


@contextlib.contextmanager
def entered() -> Iterator[bool]:
    """Be one of the requests of this process that ask a provider; says whether it may be."""
    with contextlib.ExitStack() as inside:
        try:
            inside.enter_context(_asking.entered())
        except Busy:
            may_ask = False
        else:
            may_ask = True
        yield may_ask


def lease_for_request(attempt: PaymentAttempt, *, now: datetime) -> Question | None:
    """Lease a new attempt, which the caller's transaction is about to add, for the request that runs it."""
    return attempt_records.lease(attempt, timeout=REQUEST_SECONDS, max_wait=SLOT_SECONDS, is_urgent=True, now=now)


def ask_in_slot(question: Question, *, started: float, is_shown: bool = False) -> Stored:
    """Carry a question out, in its slot, for a buyer who waits since `started` (of the process's monotonic clock)."""
    greenlets.sleep(question.wait)
    left = REQUEST_SECONDS - (time.monotonic() - started)
    return carry_out(question, timeout=max(left, MIN_REQUEST_SECONDS), is_shown=is_shown)


def ask_in_task(attempt_id: UUID, *, is_urgent: bool, max_wait: float = SLOT_SECONDS) -> bool:
    """Ask the provider about an attempt if it is due and a request may be sent soon; say whether it was asked."""
    question = attempt_records.begin(attempt_id, timeout=TASK_TIMEOUT_SECONDS, max_wait=max_wait, is_urgent=is_urgent)
    if question is None:
        return False
    time.sleep(question.wait)
    carry_out(question, timeout=TASK_TIMEOUT_SECONDS)
    return True


def ask_about_payment(client: PaymentClient, payment_id: str) -> PaymentAnswer | None:
    """Ask about a payment by its id, in a request; None when this process or all of them ask too much."""
    started = time.monotonic()
    try:
        with _asking.entered():
            wait = _reserve(client.slot_of("look_up_payment"))
            if wait is None:
                return None
            greenlets.sleep(wait)
            left = max(REQUEST_SECONDS - (time.monotonic() - started), MIN_REQUEST_SECONDS)
            return greenlets.offload(_without_connection, lambda: client.look_up_payment(payment_id, timeout=left))
    except Busy:
        return None


@retrying_transaction
def _reserve(slot: str) -> float | None:
    return request_slots.reserve(slot, max_wait=SLOT_SECONDS, is_urgent=True)


def carry_out(question: Question, *, timeout: float, is_shown: bool = False) -> Stored:
    """Send a question and commit its answer (as `attempt_records.store`); returns the attempt as it is then."""
    answer = greenlets.offload(_without_connection, lambda: _send(question, timeout))
    if answer.payment is not None and answer.payment.event is not None:
        source = WebhookEvent.Source.ASKED
        inbox.take(PROVIDERS[question.attempt.provider], answer.payment.event, source=source)
    return attempt_records.store(question, answer, is_shown=is_shown)


def _without_connection(ask: Callable[[], PaymentAnswer]) -> PaymentAnswer:
    """Ask while the pool has this thread's database connection, which a thread keeps until its work ends."""
    if not connection.in_atomic_block:
        connection.close()
    return ask()


def _send(question: Question, timeout: float) -> PaymentAnswer:
    attempt, client = question.attempt, PAYMENT_CLIENTS[question.attempt.provider]
    if question.call == "start":
        return client.start(attempt, key=question.key, timeout=timeout)
    ask = {"find": client.find, "end": client.end, "look_up": client.look_up}[question.call]
    return ask(attempt, timeout=timeout)

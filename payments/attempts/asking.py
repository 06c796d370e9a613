"""Asks the provider about one attempt and commits what it says.

What the provider says of money goes through the inbox before it is noted on the attempt: if the process dies between
the two, the next answer is the same event. While the provider is asked no transaction is open and no database
connection is taken from the pool.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from uuid import UUID

from django.db import connection

from flashsale.core import greenlets
from flashsale.core.capacity import shares
from flashsale.core.capacity.bulkheads import Bulkhead, Place
from flashsale.core.transactions import Busy, retrying_transaction
from payments import attempt_records, inbox, request_slots
from payments.attempt_records import Answered, Question
from payments.attempts import time_limits
from payments.models import WebhookEvent
from payments.providers import PAYMENT_CLIENTS, PROVIDERS
from payments.providers.payment_client import PaymentAnswer, PaymentClient

# Requests of a process that ask a provider; others leave that to the tasks.
_asking = Bulkhead(shares.provider_requests)


def ask_in_request(attempt_id: UUID, *, unless_asked_within: float | None = None) -> bool:
    """Ask the provider about an attempt that is due, within `REQUEST_SECONDS`; say whether it was asked.

    Not when this process is asking too much. With `unless_asked_within` also about one that is not due, but was not
    asked for within so many seconds.
    """
    started = time.monotonic()
    try:
        with _asking.entered():
            question = attempt_records.begin(
                attempt_id,
                timeout=time_limits.REQUEST_SECONDS,
                max_wait=time_limits.SLOT_SECONDS,
                is_urgent=True,
                unless_asked_within=unless_asked_within,
            )
            if question is not None:
                carry_out(question, timeout=_wait_for_slot(question, started=started))
            return question is not None
    except Busy:
        return False


@contextlib.contextmanager
def place() -> Iterator[Place]:
    """Return the place of a request among those of this process that ask a provider; it is left at the end."""
    own = _asking.place()
    try:
        yield own
    finally:
        own.leave()


def ask_in_slot(question: Question, *, started: float) -> PaymentAnswer:
    """Wait for the question's slot, then ask the provider.

    The buyer has waited since `started` (monotonic seconds), which shortens the time-out of the request.
    """
    return ask(question, timeout=_wait_for_slot(question, started=started))


def _wait_for_slot(question: Question, *, started: float) -> float:
    """Wait until a question may be sent; return the seconds that it may take then."""
    greenlets.sleep(question.wait)
    left = time_limits.REQUEST_SECONDS - (time.monotonic() - started)
    return max(left, time_limits.MIN_REQUEST_SECONDS)


def ask_in_task(attempt_id: UUID, *, is_urgent: bool, max_wait: float = time_limits.SLOT_SECONDS) -> bool:
    """Ask the provider about an attempt if it is due and a request may be sent soon; say whether it was asked."""
    question = attempt_records.begin(
        attempt_id, timeout=time_limits.TASK_TIMEOUT_SECONDS, max_wait=max_wait, is_urgent=is_urgent
    )
    if question is None:
        return False
    time.sleep(question.wait)
    carry_out(question, timeout=time_limits.TASK_TIMEOUT_SECONDS)
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
            left = max(time_limits.REQUEST_SECONDS - (time.monotonic() - started), time_limits.MIN_REQUEST_SECONDS)
            with greenlets.aside():
                return greenlets.offload(_without_connection, lambda: client.look_up_payment(payment_id, timeout=left))
    except Busy:
        return None


@retrying_transaction
def _reserve(slot: str) -> float | None:
    return request_slots.reserve(slot, max_wait=time_limits.SLOT_SECONDS, is_urgent=True)


def carry_out(question: Question, *, timeout: float) -> None:
    """Send a question and commit its answer."""
    attempt_records.store([Answered(question, ask(question, timeout=timeout))])


def ask(question: Question, *, timeout: float) -> PaymentAnswer:
    """Send a question; what its answer says of money is in the inbox, and the caller commits the answer."""
    with greenlets.aside():
        answer = greenlets.offload(_without_connection, lambda: _send(question, timeout))
    if answer.payment is not None and answer.payment.event is not None:
        source = WebhookEvent.Source.ASKED
        inbox.take(PROVIDERS[question.attempt.provider], answer.payment.event, source=source)
    return answer


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

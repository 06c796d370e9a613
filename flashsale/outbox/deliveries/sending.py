"""Sends the deliveries that are due: threads post, and the calling thread does all work in the database.

A run takes deliveries for `LEAD_SECONDS` at most, and then only waits for the answers that are still to come. Of the
processes that run at once one takes deliveries, so that another can go on while it waits: however long endpoints take
to answer, those of others are sent. When a run dies, what it sent is due again at the end of its lease.
"""

import logging
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from flashsale.core import webhook_signatures
from flashsale.outbox import numbering
from flashsale.outbox.deliveries import leasing, results, transport
from flashsale.outbox.deliveries.leadership import Leadership
from flashsale.outbox.deliveries.leasing import MAX_IN_FLIGHT, Message
from flashsale.outbox.deliveries.transport import Answer
from flashsale.outbox.endpoints import MAX_ENDPOINTS

log = logging.getLogger(__name__)

LEAD_SECONDS = 20
# As many as may be under way, with a test for each endpoint: none waits for a thread.
THREADS = MAX_ENDPOINTS * (MAX_IN_FLIGHT + 1)
# How soon, while answers are awaited, it is looked for new events and for deliveries that became due.
POLL_SECONDS = 0.2
NUMBERED_BATCHES = 5
USER_AGENT = "flashsale-webhooks/1"

InFlight = dict[Future[Answer], Message]


def run() -> int:
    """Number new events, and send what is due until nothing is left or the time is over; return how many tries."""
    leadership = Leadership()
    in_flight: InFlight = {}
    sent, ends_at = 0, time.monotonic() + LEAD_SECONDS
    with ThreadPoolExecutor(THREADS, thread_name_prefix="webhook") as threads:
        try:
            while time.monotonic() < ends_at and leadership.holds():
                _number_events()
                due = leasing.lease_due()
                in_flight |= {threads.submit(post, message): message for message in due}
                sent += len(due)
                if not in_flight:
                    break
                _store_answers(in_flight, seconds=POLL_SECONDS)
        finally:
            leadership.release()
            while in_flight:
                _store_answers(in_flight)
    return sent


def post(message: Message) -> Answer:
    """Sign a message now and send it; raises nothing."""
    signed = webhook_signatures.signed_headers(*message.keys, message_id=message.message_id, body=message.body)
    headers = {"Content-Type": "application/json", "User-Agent": USER_AGENT, **signed}
    return transport.post(message.url, body=message.body, headers=headers)


def _number_events() -> None:
    """Number new events; what was numbered before is sent also when that fails, such as by a lock timeout."""
    try:
        numbering.number_all(batches=NUMBERED_BATCHES)
    except Exception:
        log.exception("events were not numbered")


def _store_answers(in_flight: InFlight, *, seconds: float | None = None) -> None:
    """Wait until there is an answer, at most for `seconds`; store all there are, and take them from `in_flight`."""
    for future in wait(in_flight, timeout=seconds, return_when=FIRST_COMPLETED).done:
        message = in_flight.pop(future)
        try:
            results.store(message, future.result())
        except Exception:
            # It is due again when its lease ends; the others are not delayed.
            log.exception("the answer to delivery %s was not stored", message.delivery_id)

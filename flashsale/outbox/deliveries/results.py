"""Stores what came of a try, while its lease is the present one."""

from datetime import timedelta
from http import HTTPStatus

from flashsale.core import clock, events
from flashsale.core.statements import Statement, send
from flashsale.core.transactions import retrying_transaction
from flashsale.outbox.deliveries import schedule
from flashsale.outbox.deliveries.leasing import Message
from flashsale.outbox.deliveries.transport import Answer
from flashsale.outbox.endpoints import statuses
from flashsale.outbox.models import Endpoint

# So many tries of a delivery are kept, the last ones.
MAX_ATTEMPTS_KEPT = 24

_STORE = """
UPDATE outbox_delivery SET status = %s, next_try_at = %s, lease = NULL,
    delivered_at = CASE WHEN %s = 'delivered' THEN clock_timestamp() END,
    last_status = %s, last_answer = %s, last_error = %s,
    attempts = CASE WHEN jsonb_array_length(attempts) < %s THEN attempts ELSE attempts - 0 END || jsonb_build_object(
        'at', clock_timestamp(), 'status', %s::integer, 'duration_ms', %s::integer, 'error', %s::text
    )
WHERE id = %s AND lease = %s AND status = 'pending'
RETURNING id
"""


def store(message: Message, answer: Answer) -> None:
    """Record a try: delivered, due again, or dead; and whether its endpoint works."""
    if answer.is_success:
        _store_success(message, answer)
    else:
        _store_failure(message, answer)


@retrying_transaction
def _store_success(message: Message, answer: Answer) -> None:
    # The endpoint first, which is locked only when it is failing.
    _, stored = send([statuses.success(message.endpoint_id), _statement(message, answer, "delivered", None)])
    if stored:
        _record("delivery_succeeded", message, answer)


@retrying_transaction
def _store_failure(message: Message, answer: Answer) -> None:
    endpoint = Endpoint.objects.select_for_update(no_key=True).filter(pk=message.endpoint_id).first()
    if endpoint is None:
        return
    now = clock.now()
    asked = schedule.asked_wait(answer.retry_after, now=now)
    wait = None if message.is_test else schedule.wait_after(message.tries)
    next_try_at = None if wait is None else now + max(wait, asked)
    [stored] = send([_statement(message, answer, "dead" if next_try_at is None else "pending", next_try_at)])
    if not stored:
        return
    _record("delivery_failed", message, answer)
    if not message.is_test:
        _judge(endpoint, answer, asked)


def _judge(endpoint: Endpoint, answer: Answer, asked_wait: timedelta) -> None:
    is_gone = answer.status == HTTPStatus.GONE
    if is_gone and endpoint.status != Endpoint.Status.DISABLED:
        statuses.disable(endpoint, Endpoint.DisabledReason.GONE)
    else:
        statuses.record_failure(endpoint, now=clock.now(), asked_wait=asked_wait)


def _statement(message: Message, answer: Answer, status: str, next_try_at: object) -> Statement:
    params = [
        status, next_try_at, status, answer.status, answer.text, answer.error,
        MAX_ATTEMPTS_KEPT, answer.status, answer.duration_ms, answer.error, message.delivery_id, message.lease,
    ]  # fmt: skip
    return Statement(_STORE, params)


def _record(event: str, message: Message, answer: Answer) -> None:
    events.record_on_commit(
        event,
        endpoint_id=str(message.endpoint_id),
        delivery_id=message.delivery_id,
        message_id=message.message_id,
        tries=message.tries,
        status=answer.status,
        duration_ms=answer.duration_ms,
    )

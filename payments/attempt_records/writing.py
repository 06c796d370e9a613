"""Writes a locked attempt."""

from collections.abc import Sequence
from datetime import datetime

from flashsale.core import events, rows
from flashsale.core.transactions import defer_to_commit
from payments.models import PaymentAttempt

Status = PaymentAttempt.Status

CHANGING = (
    "status", "reason", "object_id", "payment_id", "client_secret", "url", "shown_at", "tries", "asked_at",
    "next_ask_at", "key_number", "key_used_at", "key_is_spent", "last_error", "ended_at",
)  # fmt: skip


def end(attempt: PaymentAttempt, status: PaymentAttempt.Status, *, now: datetime) -> None:
    """Set an attempt to one of its final states; the caller saves it."""
    attempt.status, attempt.ended_at, attempt.next_ask_at = status, now, None
    attempt.client_secret = attempt.url = ""
    if status != Status.FAILED:
        attempt.reason = "" if status == Status.SUCCEEDED else attempt.reason
    events.record_on_commit("payment_attempt_ended", order_id=attempt.order_id, status=str(status))


def save(attempts: Sequence[PaymentAttempt]) -> None:
    """Store what may change on locked attempts with the COMMIT."""
    if attempts:
        defer_to_commit(rows.update(attempts, CHANGING))

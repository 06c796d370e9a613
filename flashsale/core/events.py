"""Events of a sale: each has one name, for its line in the log and its Prometheus counter.

Operators search for these names and alert on them; docs/operations.md lists them. A line carries ids and numbers,
never a body, a secret, a token or a customer id.
"""

import collections
import contextlib
import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import structlog
from django.db import transaction

from flashsale.core.metrics import Counter

QUIET_SECONDS = 1.0
# How many different lines are remembered; beyond it all are forgotten.
MAX_REMEMBERED = 1_000

log = structlog.stdlib.get_logger("flashsale.events")


# The fields of an event, by which equal ones are recognised.
_Fields = tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class _Kind:
    """How one event is logged and counted; `labels` are its fields with few values, by which it is counted."""

    counter: Counter
    level: int = logging.INFO
    labels: tuple[str, ...] = ()


def _kind(name: str, help_text: str, *labels: str, level: int = logging.INFO) -> _Kind:
    return _Kind(Counter(f"flashsale_{name}", help_text, labels), level, labels)


EVENTS: dict[str, _Kind] = {
    "hold_placed": _kind("holds_placed", "Holds that were placed"),
    "hold_refused": _kind("holds_refused", "Requests for holds that were refused, by problem code", "code"),
    "refusals_uncounted": _kind(
        "refusals_uncounted", "Refusals missing in the statistics: PostgreSQL did not answer", level=logging.WARNING
    ),
    "hold_released": _kind("holds_released", "Holds released by their buyers or by staff"),
    "holds_expired": _kind("holds_expired", "Holds that expired"),
    "order_placed": _kind("orders_placed", "Orders placed with holds"),
    "order_paid": _kind("orders_paid", "Orders paid; late: after their payment window", "late"),
    "order_cancelled": _kind("orders_cancelled", "Orders cancelled"),
    "orders_expired": _kind("orders_expired", "Orders whose payment window ended"),
    "refund_due": _kind("refunds_due", "Payments that have to be refunded, by reason", "reason", level=logging.WARNING),
    "payment_opened": _kind("payment_attempts_opened", "Payments that the shop made at a provider"),
    "payment_attempt_ended": _kind(
        "payment_attempts_ended", "Payments of the shop that were paid, closed, or refused by the provider", "status"
    ),
    "payment_refunded": _kind("payments_refunded", "Payments refunded in full"),
    "payment_partly_refunded": _kind("payments_partly_refunded", "Refunds of a part of a payment that were recorded"),
    "units_restocked": _kind("restocks", "Refunds that put units of a paid order back on sale"),
    "webhook_processed": _kind("webhooks_processed", "Webhook events processed", "provider", "status"),
    "webhook_duplicate": _kind("webhooks_duplicate", "Webhook events that were redelivered", "provider"),
    "webhook_refused": _kind(
        "webhooks_refused", "Webhooks with a wrong signature, or none", "provider", level=logging.WARNING
    ),
    "webhook_failed": _kind("webhooks_failed", "Failed attempts to process an event", level=logging.ERROR),
    "events_swept": _kind("event_sweeps", "Provider's lists of events that were read", "provider"),
    "event_unreadable": _kind(
        "events_unreadable", "Events of a provider's list that cannot be taken", level=logging.ERROR
    ),
    "event_cursor_outdated": _kind(
        "event_cursors_outdated", "Lists of events that end after the last event read", level=logging.ERROR
    ),
    "payments_compared": _kind("payment_comparisons", "Comparisons with a provider's payments", "provider"),
    "payment_differs": _kind(
        "payments_differing",
        "Payments recorded otherwise than their provider says",
        "provider",
        "reason",
        level=logging.WARNING,
    ),
    "delivery_succeeded": _kind("deliveries_succeeded", "Events and tests that an endpoint took"),
    "delivery_failed": _kind("deliveries_failed", "Tries that an endpoint did not take", level=logging.WARNING),
    "endpoint_disabled": _kind(
        "endpoints_disabled", "Endpoints that get nothing any more", "reason", level=logging.WARNING
    ),
    "stock_adjusted": _kind("stock_adjusted", "Changes of a product's total by staff"),
    "stock_drift": _kind("stock_drift", "Products found with wrong counters", level=logging.ERROR),
    "login_succeeded": _kind("logins_succeeded", "Log-ins of staff"),
    "login_failed": _kind("logins_failed", "Wrong passwords and codes", level=logging.WARNING),
    "login_refused": _kind(
        "logins_refused",
        "Log-ins refused before their password was checked, by reason",
        "reason",
        level=logging.WARNING,
    ),
    "two_factor_changed": _kind(
        "two_factor_changes", "Authenticator apps added or removed", "action", level=logging.WARNING
    ),
    "lock_retry": _kind("lock_retries", "Transactions retried", "sqlstate", level=logging.WARNING),
    "request_busy": _kind("requests_busy", "Requests answered with `busy`, by reason", "reason", level=logging.WARNING),
    "outcome_unknown": _kind("outcomes_unknown", "Commits whose outcome is unknown", level=logging.ERROR),
    "commit_cancelled": _kind(
        "commits_cancelled", "COMMITs cancelled because no standby confirmed them in time", level=logging.ERROR
    ),
    "redis_silent": _kind("redis_errors", "Commands that Valkey/Redis did not answer", level=logging.WARNING),
}


def record(event: str, *, count: int = 1, **fields: Any) -> None:
    """Log and count `event` now, as having happened `count` times."""
    _count(event, count, fields)
    log.log(EVENTS[event].level, event, **({"count": count} if count != 1 else {}), **fields)


def record_on_commit(event: str, *, count: int = 1, **fields: Any) -> None:
    """Do what `record` does once this transaction is committed, and nothing when it is rolled back."""
    caused_by = request_id()

    def record_it() -> None:
        with bound_to_request(caused_by):
            record(event, count=count, **fields)

    transaction.on_commit(record_it, robust=True)


def request_id() -> str:
    """Return the id of this thread's current request or task; empty when there is none."""
    return str(structlog.contextvars.get_contextvars().get("request_id", ""))


@contextlib.contextmanager
def bound_to_request(request_id: str) -> Iterator[None]:
    """Log with another request's id inside this context, where `request_id` is not empty."""
    with structlog.contextvars.bound_contextvars(**({"request_id": request_id} if request_id else {})):
        yield


class SampledEvent:
    """Counts each event, and of equal ones logs the first, then at most one in `QUIET_SECONDS`.

    The field `count` of a line is the number of events since the last one.
    """

    def __init__(self, event: str) -> None:
        self._event = event
        self._mutex = threading.Lock()
        self._unlogged: collections.Counter[_Fields] = collections.Counter()
        self._logged_at: dict[_Fields, float] = {}

    def reset(self) -> None:
        """Forget what was logged and what was not yet."""
        with self._mutex:
            self._logged_at.clear()
            self._unlogged.clear()

    def record(self, **fields: Any) -> None:
        """Count the event, and log it unless one with the same fields was logged within `QUIET_SECONDS`."""
        _count(self._event, 1, fields)
        same, now = tuple(sorted(fields.items())), time.monotonic()
        with self._mutex:
            self._unlogged[same] += 1
            if now - self._logged_at.get(same, -QUIET_SECONDS) < QUIET_SECONDS:
                return
            if len(self._logged_at) >= MAX_REMEMBERED:
                self._logged_at.clear()
                self._unlogged = collections.Counter({same: self._unlogged[same]})
            self._logged_at[same] = now
            count = self._unlogged.pop(same)
        log.log(EVENTS[self._event].level, self._event, count=count, **fields)


def _count(event: str, count: int, fields: dict[str, Any]) -> None:
    kind = EVENTS[event]
    counter = kind.counter.labels(*(fields[name] for name in kind.labels)) if kind.labels else kind.counter
    counter.inc(count)

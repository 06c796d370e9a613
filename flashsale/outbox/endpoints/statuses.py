"""Whether an endpoint works: the only writer of its status. The caller has locked the endpoint."""

import random
from datetime import datetime, timedelta
from uuid import UUID

from flashsale.core import clock, events
from flashsale.core.statements import Statement
from flashsale.outbox.models import Endpoint

Status = Endpoint.Status

DISABLED_AFTER_DAYS = 5
# The wait before each probe of a failing endpoint, in seconds; the last one before all others.
PROBE_WAITS_SECONDS = (5, 30, 120, 600, 1_800, 3_600)
PROBE_JITTER = 0.2

_FIELDS = ["status", "disabled_reason", "failing_since", "failures", "next_probe_at"]
_SUCCESS = """
UPDATE outbox_endpoint SET status = 'enabled', failing_since = NULL, failures = 0, next_probe_at = NULL
WHERE id = %s AND status = 'failing'
"""


def success(endpoint_id: UUID) -> Statement:
    """Return what ends an endpoint's failing: it locks and writes nothing of one that is not failing."""
    return Statement(_SUCCESS, [endpoint_id])


def record_failure(endpoint: Endpoint, *, now: datetime, asked_wait: timedelta) -> None:
    """Record a failed try: the endpoint is failing, or disabled when nothing succeeded for `DISABLED_AFTER_DAYS`.

    `asked_wait` is how long the endpoint asks to be left alone. Of tries that were under way at once, the first failure
    decides when the next probe is.
    """
    if endpoint.status == Status.DISABLED:
        return
    since = endpoint.failing_since or now
    if now - since >= timedelta(days=DISABLED_AFTER_DAYS):
        disable(endpoint, Endpoint.DisabledReason.FAILURES)
        return
    next_probe_at = endpoint.next_probe_at or now
    if next_probe_at <= now:
        next_probe_at = now + _wait_of_probe(endpoint.failures)
        endpoint.failures += 1
    endpoint.status, endpoint.failing_since = Status.FAILING, since
    endpoint.next_probe_at = max(next_probe_at, now + asked_wait)
    endpoint.save(update_fields=_FIELDS)


def disable(endpoint: Endpoint, reason: Endpoint.DisabledReason) -> None:
    """Send nothing to an endpoint any more."""
    _clear(endpoint)
    endpoint.status, endpoint.disabled_reason = Status.DISABLED, reason
    endpoint.save(update_fields=_FIELDS)
    events.record_on_commit("endpoint_disabled", endpoint_id=str(endpoint.pk), reason=reason.value)


def enable(endpoint: Endpoint) -> None:
    """Send to an endpoint as if it had never failed."""
    _clear(endpoint)
    endpoint.status = Status.ENABLED
    endpoint.save(update_fields=_FIELDS)


def probe_now(endpoint: Endpoint) -> None:
    """Let a failing endpoint be probed at once; changes no other."""
    if endpoint.status == Status.FAILING:
        endpoint.next_probe_at = clock.now()
        endpoint.save(update_fields=_FIELDS)


def _clear(endpoint: Endpoint) -> None:
    endpoint.disabled_reason = ""
    endpoint.failing_since = endpoint.next_probe_at = None
    endpoint.failures = 0


def _wait_of_probe(failures: int) -> timedelta:
    usual = PROBE_WAITS_SECONDS[min(failures, len(PROBE_WAITS_SECONDS) - 1)]
    return timedelta(seconds=usual * random.uniform(1 - PROBE_JITTER, 1 + PROBE_JITTER))

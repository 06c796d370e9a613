"""Takes exceptions from the log and hands them to Sentry's client, which sends them in a thread of its own.

This module imports Sentry's library; it is imported only where `SENTRY_DSN` is set.
"""

import logging
import threading
import time
from typing import Any

import sentry_sdk
import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError
from sentry_sdk.integrations.atexit import AtexitIntegration
from sentry_sdk.integrations.excepthook import ExcepthookIntegration
from sentry_sdk.utils import event_from_exception

from flashsale.core import outages, tracing
from flashsale.core.transactions import is_transient
from flashsale.observability.error_reports import contents
from flashsale.observability.outage_lines import error_of

MAX_A_MINUTE = 30
WINDOW_SECONDS = 60
# How long a process that ends waits for what is not sent yet.
FLUSH_SECONDS = 1
# Requests that clients made wrongly, which Django logs as errors.
REFUSALS = "django.security"
_REPORTED = "_is_reported_to_sentry"


def register() -> None:
    """Report errors to `SENTRY_DSN` from now on."""
    sentry_sdk.init(
        dsn=settings.SENTRY_DSN,
        environment=settings.SENTRY_ENVIRONMENT,
        # Empty rather than None, for which the library runs git.
        release=settings.SENTRY_RELEASE,
        default_integrations=False,
        auto_enabling_integrations=False,
        # What ends a command, and what is not sent yet when a process ends.
        integrations=[ExcepthookIntegration(), AtexitIntegration(callback=lambda *_: None)],
        send_default_pii=False,
        max_request_body_size="never",
        include_local_variables=False,
        max_breadcrumbs=0,
        auto_session_tracking=False,
        send_client_reports=False,
        propagate_traces=False,
        trace_propagation_targets=[],
        shutdown_timeout=FLUSH_SECONDS,
        project_root=str(settings.BASE_DIR),
        before_send=_before_send,
    )
    logging.getLogger().addHandler(ReportHandler())


class ReportHandler(logging.Handler):
    """Reports records with an exception, at most `MAX_A_MINUTE` a minute: making a report takes milliseconds."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self._mutex = threading.Lock()
        self._window_began_at = 0.0
        self._reports = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Report a record's exception, unless it is an expected one or was reported before."""
        error = error_of(record)
        is_refusal = record.name.startswith(REFUSALS)
        if error is None or is_refusal or not is_unexpected(error) or not self._has_room():
            return
        try:
            _report(error, record)
        except Exception:
            self.handleError(record)

    def _has_room(self) -> bool:
        now = time.monotonic()
        with self._mutex:
            if now - self._window_began_at > WINDOW_SECONDS:
                self._window_began_at, self._reports = now, 0
            self._reports += 1
            return self._reports <= MAX_A_MINUTE


def is_unexpected(error: BaseException) -> bool:
    """Say whether an exception is a fault of the program that was not reported yet.

    Not one are servers that are away, locks that were not granted, and what ends a program on purpose.
    """
    if not isinstance(error, Exception) or hasattr(error, _REPORTED):
        return False
    is_busy = isinstance(error, (DatabaseError, InterfaceError)) and is_transient(error)
    return not is_busy and outages.sentence_of(error) is None


def _report(error: BaseException, record: logging.LogRecord) -> None:
    setattr(error, _REPORTED, True)
    event, hint = event_from_exception(error, client_options=sentry_sdk.get_client().options)
    event["logger"] = record.name
    event["transaction"] = _request_of(record) or _context().get("task", "")
    sentry_sdk.capture_event(event, hint)


def _request_of(record: logging.LogRecord) -> str:
    """Return method and route of the request that a record of Django is about, without the values in its path."""
    request = getattr(record, "request", None)
    match = getattr(request, "resolver_match", None)
    return f"{request.method} /{match.route}" if request is not None and match is not None else ""


def _before_send(event: Any, hint: Any) -> Any:
    """Complete and scrub what is about to be sent; None for what is not to be."""
    _, error, _ = hint.get("exc_info", (None, None, None))
    if error is None or not isinstance(error, Exception) or outages.sentence_of(error) is not None:
        return None
    tags = {name: value for name, value in _context().items() if name in {"request_id", "task"}}
    trace = tracing.current()
    contexts = {}
    if trace is not None:
        contexts["trace"] = {"trace_id": trace.trace_id, "span_id": trace.parent_id}
        tags["trace_id"] = trace.trace_id
    return contents.scrubbed({**event, "tags": tags, "contexts": contexts})


def _context() -> dict[str, Any]:
    return structlog.contextvars.get_contextvars()

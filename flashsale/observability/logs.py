"""Logs: every line has a time, a level, a logger and the id of its request or task; JSON in production.

Events of the sale (`flashsale.core.events`) and records of Django, Celery and libraries share one format.
"""

import json
import logging.config
import re
from http import HTTPStatus
from typing import Any
from uuid import UUID

import structlog
from celery.signals import before_task_publish, setup_logging, task_postrun, task_prerun
from django.core.exceptions import ImproperlyConfigured

from flashsale.core import tracing

FORMATS = ("json", "text")
_SHARED = [
    structlog.contextvars.merge_contextvars,
    tracing.add_to_line,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


# Loggers that write paths of requests, with ids: a client that knows the id of a hold or an order may use it.
_REQUEST_LOGGERS = ("django", "granian")
_ID = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)


def _redact_request(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    """Replace ids in paths, and drop the request object, which would be shown with its query string."""
    if event["logger"].partition(".")[0] in _REQUEST_LOGGERS:
        for name in ("request", "message"):  # `message` is the text once more, where another handler has formatted it
            event.pop(name, None)
        event["event"] = _ID.sub("{id}", str(event["event"]))
    return event


# What records of Django, Celery and libraries pass before they are rendered.
_FOREIGN = [*_SHARED, structlog.stdlib.ExtraAdder(), _redact_request]


class JsonFormatter(structlog.stdlib.ProcessorFormatter):
    """Renders each record as one JSON object. Events without a traceback, nearly all lines, take a short way.

    The general way copies a record before it runs the processors. Local variables, which may hold bodies and secrets,
    are in no traceback.
    """

    def __init__(self) -> None:
        tracebacks = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        super().__init__(
            foreign_pre_chain=_FOREIGN,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.ExceptionRenderer(tracebacks),
                structlog.processors.JSONRenderer(default=str),
            ],
        )
        self._encode = json.JSONEncoder(default=str).encode

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        is_event = hasattr(record, "_logger") and isinstance(record.msg, dict)
        return self._encode(record.msg) if is_event and "exc_info" not in record.msg else super().format(record)


class BusyFilter(logging.Filter):
    """Drops Django's line for each answer with 503: there may be thousands a second; `request_busy` samples them."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the record is about another status."""
        return getattr(record, "status_code", None) != HTTPStatus.SERVICE_UNAVAILABLE


def configuration(format_: str, *, level: str) -> dict[str, Any]:
    """Return Django's LOGGING for a format of `FORMATS`. Raises `ImproperlyConfigured` for another one."""
    if format_ not in FORMATS:
        raise ImproperlyConfigured(f"LOG_FORMAT must be one of {', '.join(FORMATS)}.")
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": "flashsale.observability.logs.formatter", "format_": format_}},
        "filters": {
            "not_busy": {"()": BusyFilter},
            "outages": {"()": "flashsale.observability.outage_lines.OutageFilter"},
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["outages"]}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "django": {"handlers": [], "propagate": True},
            # At a lower level, every refused request would be a line.
            "django.request": {"level": "ERROR", "filters": ["not_busy"]},
            # Scanners send wrong Host headers all the time; answering 400 is enough.
            "django.security.DisallowedHost": {"level": "CRITICAL"},
            "httpx": {"level": "WARNING"},
            # At a lower level, it writes whole answers, which hold secrets with which payments can be paid.
            "stripe": {"level": "WARNING"},
            # At a lower level, every task would be several lines, every few seconds.
            "celery.worker.strategy": {"level": "WARNING"},
            "celery.app.trace": {"level": "WARNING"},
            "celery.beat": {"level": "WARNING"},
        },
    }


def formatter(format_: str) -> logging.Formatter:
    """Return the formatter of all records, of structlog and of the standard library."""
    if format_ == "json":
        return JsonFormatter()
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_FOREIGN,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _with_plain_ids,
            structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
        ],
    )


def _with_plain_ids(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    return {name: str(value) if isinstance(value, UUID) else value for name, value in event.items()}


def configure(config: dict[str, Any]) -> None:
    """Set logging up (Django's LOGGING_CONFIG)."""
    logging.config.dictConfig(config)
    logging.captureWarnings(True)
    if config["formatters"]["line"]["format_"] == "json":
        # The lines name no source file, thread or process, so that records need not find them out.
        # Source: https://docs.python.org/3/howto/logging.html#optimization
        logging._srcfile = None
        logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level, *_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )  # fmt: skip


@before_task_publish.connect
def pass_trace_on(headers: dict[str, Any], **_) -> None:
    """Send a task with the trace of the request or task that sends it."""
    headers.update(tracing.outgoing_headers())


@task_prerun.connect
def bind_task(task_id: str, task: Any, **_) -> None:
    """Bind the task's id as `request_id`, its name, and the trace that it was sent with, to every line that it logs."""
    request_id = task_id.replace("-", "")
    tracing.begin(request_id, task.request.get(tracing.HEADER))
    structlog.contextvars.bind_contextvars(request_id=request_id, task=task.name)


@task_postrun.connect
def unbind_task(task_id: str, **_) -> None:
    """Remove the task's values, so that the next task does not log them."""
    tracing.end(task_id.replace("-", ""))
    structlog.contextvars.clear_contextvars()


@setup_logging.connect
def keep_configuration(**_) -> None:
    """Keep Django's configuration in workers and beat: a receiver of this signal stops Celery from making its own."""

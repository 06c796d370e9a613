"""Logs: every line has a time, a level, a name and the request it belongs to; JSON in production.

Events of the sale (`flashsale.core.events`) and what Django, Celery and libraries say go the same way.
"""

import logging.config
import re
from http import HTTPStatus
from typing import Any
from uuid import UUID

import structlog
from celery.signals import setup_logging, task_postrun, task_prerun
from django.core.exceptions import ImproperlyConfigured

FORMATS = ("json", "text")
_SHARED = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


# What frameworks and servers say of a request: the ids in its path are rights to holds and orders.
_ABOUT_REQUESTS = ("django", "granian")
_ID = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)


class NotBusy(logging.Filter):
    """Leaves out that Django answered 503: thousands a second may hear `busy`, and `request_busy` says so."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether the record is anything else."""
        return getattr(record, "status_code", None) != HTTPStatus.SERVICE_UNAVAILABLE


def configuration(format_: str, *, level: str) -> dict[str, Any]:
    """Return Django's LOGGING for a format of `FORMATS`. Raises `ImproperlyConfigured` for another one."""
    if format_ not in FORMATS:
        raise ImproperlyConfigured(f"LOG_FORMAT must be one of {', '.join(FORMATS)}.")
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": "flashsale.observability.logs.formatter", "format_": format_}},
        "filters": {"not_busy": {"()": NotBusy}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "django": {"handlers": [], "propagate": True},
            # Every refused request would be a line of its own.
            "django.request": {"level": "ERROR", "filters": ["not_busy"]},
            # Scanners send wrong Host headers all day; the answer is 400 and that is all.
            "django.security.DisallowedHost": {"level": "CRITICAL"},
            "httpx": {"level": "WARNING"},
            # Every task of every few seconds would be several lines.
            "celery.worker.strategy": {"level": "WARNING"},
            "celery.app.trace": {"level": "WARNING"},
            "celery.beat": {"level": "WARNING"},
        },
    }


def formatter(format_: str) -> logging.Formatter:
    """Return what makes a line of a record, whoever logged it."""
    if format_ == "json":
        # Local variables may be bodies and secrets.
        tracebacks = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        rendered = [structlog.processors.ExceptionRenderer(tracebacks), structlog.processors.JSONRenderer(default=str)]
    else:
        rendered = [
            _with_plain_ids,
            structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
        ]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*_SHARED, structlog.stdlib.ExtraAdder(), _without_rights],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendered],
    )


def _without_rights(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    """Leave out ids in paths, and the request itself, which is shown with its query string."""
    if event["logger"].partition(".")[0] in _ABOUT_REQUESTS:
        for name in ("request", "message"):  # the latter is the text again, where another handler made it before
            event.pop(name, None)
        event["event"] = _ID.sub("{id}", str(event["event"]))
    return event


def _with_plain_ids(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    return {name: str(value) if isinstance(value, UUID) else value for name, value in event.items()}


def configure(config: dict[str, Any]) -> None:
    """Set logging up (Django's LOGGING_CONFIG)."""
    logging.config.dictConfig(config)
    logging.captureWarnings(True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level, *_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )  # fmt: skip


@task_prerun.connect
def name_task(task_id: str, task: Any, **_) -> None:
    """Let what a task logs be found by the task, which is its own request."""
    structlog.contextvars.bind_contextvars(request_id=task_id.replace("-", ""), task=task.name)


@task_postrun.connect
def forget_task(**_) -> None:
    """Leave nothing of a task to the next one."""
    structlog.contextvars.clear_contextvars()


@setup_logging.connect
def keep_configuration(**_) -> None:
    """Workers and beat log as Django does: whoever answers this signal keeps Celery from setting up its own way."""

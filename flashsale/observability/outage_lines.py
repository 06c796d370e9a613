"""Log lines about a server that cannot be used: one sentence each, where other errors have a traceback."""

import logging
import sys

from flashsale.core import outages


class OutageFilter(logging.Filter):
    """Replaces the traceback of such an error by the field `error`. While a server is away there would be thousands."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return True: every record is logged."""
        error = error_of(record)
        sentence = None if error is None else outages.sentence_of(error)
        if error is not None and sentence is not None:
            _shorten(record, error, sentence)
        return True


def error_of(record: logging.LogRecord) -> BaseException | None:
    """Return the exception that a record was logged with, of the standard library or of structlog."""
    exc_info = record.msg.get("exc_info") if isinstance(record.msg, dict) else record.exc_info
    if isinstance(exc_info, BaseException):
        return exc_info
    if isinstance(exc_info, tuple):
        return exc_info[1]
    return sys.exception() if exc_info else None


def _shorten(record: logging.LogRecord, error: BaseException, sentence: str) -> None:
    if isinstance(record.msg, dict):
        record.msg.pop("exc_info")
        record.msg["error"] = sentence
        return
    # Celery's messages contain the error once more, or a stack.
    record.msg = record.getMessage().replace(f": {error!r}", "").replace(f": {error}", "").partition("\n")[0]
    record.args, record.exc_info, record.exc_text = None, None, None
    # Celery's copy of the traceback.
    vars(record).pop("data", None)
    record.error = sentence

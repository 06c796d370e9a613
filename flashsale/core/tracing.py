"""Traces of callers: a request's `traceparent` names its log lines, tasks and requests to other services.

The shop records no spans of its own: it passes on the ids that it was given. They are kept by request id while the
request or task is in progress, so that a line about one request of a batch names that request's trace.

Source: W3C, Trace Context, sections 3.2 (traceparent) and 4.3 (processing); `tracestate` is not read and not passed on.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import structlog

HEADER = "traceparent"
_SAMPLED = 1
_FORBIDDEN_VERSION = "ff"
_FIELDS = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-[!-~]*)?", re.ASCII)


class TraceContext(NamedTuple):
    """A caller's trace: 32 and 16 hexadecimal digits, and whether the caller records it."""

    trace_id: str
    parent_id: str
    is_sampled: bool

    @property
    def header(self) -> str:
        """What other services get: version 00, with the flags that it defines."""
        return f"00-{self.trace_id}-{self.parent_id}-{'01' if self.is_sampled else '00'}"


_in_progress: dict[str, TraceContext] = {}


def parse(header: str) -> TraceContext | None:
    """Return the trace that a header names; None for an invalid one, which is ignored."""
    match = _FIELDS.fullmatch(header)
    if match is None:
        return None
    version, trace_id, parent_id, flags, rest = match.groups()
    # Later versions may have more fields; this one has not.
    is_version = version != _FORBIDDEN_VERSION and (version != "00" or rest is None)
    if not is_version or not trace_id.strip("0") or not parent_id.strip("0"):
        return None
    return TraceContext(trace_id, parent_id, is_sampled=bool(int(flags, 16) & _SAMPLED))


def begin(request_id: str, header: str | None) -> None:
    """Note the trace of a request or task, if it has one, until `end`."""
    if header and (trace := parse(header)) is not None:
        _in_progress[request_id] = trace


def end(request_id: str) -> None:
    """Forget the trace of a request or task."""
    if _in_progress:
        _in_progress.pop(request_id, None)


def current() -> TraceContext | None:
    """Return the trace of this thread's or greenlet's request or task."""
    return _in_progress.get(structlog.contextvars.get_contextvars().get("request_id", "")) if _in_progress else None


def outgoing_headers() -> Mapping[str, str]:
    """Return what a request to another service is sent with: the caller's trace, or nothing."""
    trace = current()
    return {} if trace is None else {HEADER: trace.header}


def add_to_line(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    """Add `trace_id` and `parent_id` to a log line with the `request_id` of a traced request (structlog processor)."""
    if _in_progress and (trace := _in_progress.get(event.get("request_id", ""))) is not None:
        event["trace_id"], event["parent_id"] = trace.trace_id, trace.parent_id
    return event

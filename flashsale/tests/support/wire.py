"""What a thread's database connection sends and receives, as libpq traces it."""

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass

from django.db import connection


@dataclass
class Traffic:
    """Round trips and statements, BEGIN and COMMIT among them; set when the trace is over."""

    round_trips: int = 0
    statements: int = 0


@contextlib.contextmanager
def traffic() -> Iterator[Traffic]:
    """Count what is sent inside.

    The server answers each message that it has worked off with ReadyForQuery, each statement with CommandComplete.
    Source: https://www.postgresql.org/docs/current/libpq-control.html#LIBPQ-PQTRACE
    """
    counted = Traffic()
    connection.ensure_connection()
    with tempfile.TemporaryFile("w+") as trace:
        traced = connection.connection.pgconn
        traced.trace(trace.fileno())
        try:
            yield counted
        finally:
            traced.untrace()
        trace.seek(0)
        answers = [line.split("\t")[3] for line in trace if line.split("\t")[1:2] == ["B"]]
    counted.round_trips, counted.statements = answers.count("ReadyForQuery"), answers.count("CommandComplete")

"""SQL statements that are sent to the server together, as one message: one round trip for all of them.

PostgreSQL runs the statements of a message in their order, up to the first error. Under READ COMMITTED each sees what
was committed when it began: a SELECT after a statement that waited for a lock reads what the lock's last holder wrote.

Source: https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-MULTI-STATEMENT
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, overload

from django.db import ProgrammingError, connection
from psycopg.errors import AssertFailure
from psycopg.pq import TransactionStatus

# A row of a result, by column names.
Row = dict[str, Any]
T = TypeVar("T")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
E = TypeVar("E")
F = TypeVar("F")


class AssertionFailed(RuntimeError):
    """An SQL assertion sent with other statements failed: a fault of this program, the transaction was undone."""


@dataclass(frozen=True)
class Statement:
    """An SQL statement with its parameters."""

    sql: str
    params: Sequence[Any] = ()


BEGIN = Statement("BEGIN")
COMMIT = Statement("COMMIT")


@dataclass(frozen=True)
class Query(Generic[T]):
    """Statements that read or lock, and the function that makes a result of the rows of each."""

    statements: Sequence[Statement]
    parse: Callable[[Sequence[list[Row]]], T]


def together(of: Callable[..., T], *queries: Query[Any]) -> Query[T]:
    """Return several queries as one, whose result is `of` their results."""

    def parse(rows: Sequence[list[Row]]) -> T:
        remaining = iter(rows)
        own_rows = [[next(remaining) for _ in query.statements] for query in queries]
        return of(*(query.parse(own) for query, own in zip(queries, own_rows, strict=True)))

    return Query([statement for query in queries for statement in query.statements], parse)


@overload
def fetch(first: Query[A], /) -> tuple[A]: ...
@overload
def fetch(first: Query[A], second: Query[B], /) -> tuple[A, B]: ...
@overload
def fetch(first: Query[A], second: Query[B], third: Query[C], /) -> tuple[A, B, C]: ...
@overload
def fetch(first: Query[A], second: Query[B], third: Query[C], fourth: Query[D], /) -> tuple[A, B, C, D]: ...
@overload
def fetch(
    first: Query[A], second: Query[B], third: Query[C], fourth: Query[D], fifth: Query[E], /
) -> tuple[A, B, C, D, E]: ...
@overload
def fetch(
    first: Query[A], second: Query[B], third: Query[C], fourth: Query[D], fifth: Query[E], sixth: Query[F], /
) -> tuple[A, B, C, D, E, F]: ...
def fetch(*queries: Query[Any]) -> tuple[Any, ...]:
    """Send queries as one message; return the result of each. The database locks and reads in their order."""
    query = together(lambda *results: results, *queries)
    return query.parse(send(query.statements))


def send(statements: Sequence[Statement]) -> list[list[Row]]:
    """Send statements to the server as one message; return the rows of each.

    The BEGIN of a transaction travels with its first statements. Raises `AssertionFailed` when an ASSERT among them
    fails.
    """
    if not statements:
        return []
    message = [BEGIN, *statements] if _begins() else statements
    params = [value for statement in message for value in statement.params]
    with connection.cursor() as cursor:
        try:
            cursor.execute("; ".join(statement.sql for statement in message), params)
        except ProgrammingError as error:
            if isinstance(error.__cause__, AssertFailure):
                raise AssertionFailed(str(error)) from error
            raise
        # Counted from the end: django-pghistory puts a statement of its own before ours while staff act.
        return [_rows_of(cursor.set_result(position)) for position in range(-len(statements), 0)]


def array(values: Iterable[object]) -> str:
    """Return the text of a PostgreSQL array: as a parameter that is cast, a list costs psycopg ten times as much.

    Source: https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO
    """
    return "{" + ",".join(map(_element, values)) + "}"


def _element(value: object) -> str:
    return "NULL" if value is None else '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _begins() -> bool:
    """Say whether Django opened a transaction of which nothing is sent yet; then psycopg will send no BEGIN.

    It would send it alone, one round trip before the first statement. COMMIT and ROLLBACK do not depend on its
    `autocommit`, which Django sets again at the end of the transaction.
    """
    begins = (
        connection.in_atomic_block
        and connection.connection is not None
        and connection.connection.info.transaction_status == TransactionStatus.IDLE
    )
    if begins:
        connection.connection.autocommit = True
    return begins


def _rows_of(cursor: Any) -> list[Row]:
    result = cursor.pgresult
    if not result.ntuples:
        return []
    # Not `cursor.description`, which makes an object of each column.
    names = [result.fname(index).decode() for index in range(result.nfields)]
    return [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]

"""Django's backend for PostgreSQL, made for servers that fail over: `ENGINE` in the settings names this package.

A server that was the primary may come back as a standby, and a name or a proxy may lead to it for a while. It answers
every write with 25006. The first such answer closes the connection, wherever it is used, so that none stays behind.

Everything that commits goes through `DatabaseWrapper.committing`: the COMMIT of a transaction, whether Django sends it
or `flashsale.core.transactions`, and a statement that writes outside one.
"""

from collections.abc import Callable
from types import TracebackType
from typing import Any, ClassVar, ParamSpec, TypeVar

from django.core.exceptions import ImproperlyConfigured
from django.db import InterfaceError, OperationalError
from django.db.backends.base.base import NO_DB_ALIAS
from django.db.backends.postgresql import base as postgresql
from django.db.backends.utils import CursorDebugWrapper, CursorWrapper
from django.db.utils import DatabaseErrorWrapper
from django.utils.asyncio import async_unsafe
from django.utils.functional import cached_property
from psycopg import IsolationLevel
from psycopg.pq import TransactionStatus
from psycopg_pool import ConnectionPool

from flashsale.core.connections.connection import READ_ONLY_SQLSTATE, Connection, PooledConnection
from flashsale.core.connections.cursors import Cursor, DebugCursor
from flashsale.core.connections.outcomes import OutcomeUnknown, is_definite, sqlstate_of
from flashsale.core.connections.pool import Pool

P = ParamSpec("P")
R = TypeVar("R")


class ErrorWrapper(DatabaseErrorWrapper):
    """Turns psycopg's errors into Django's; one that says that the server takes no writes closes the connection."""

    def __init__(self, database: "DatabaseWrapper") -> None:
        super().__init__(database)
        self._database = database

    def __exit__(
        self, exc_type: type[BaseException] | None, exc_value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Raise Django's error. A statement that succeeds pays nothing more than in Django."""
        if exc_type is None:
            return
        if getattr(exc_value, "sqlstate", None) == READ_ONLY_SQLSTATE:
            self._database.leave_server()
        super().__exit__(exc_type, exc_value, traceback)


class DatabaseWrapper(postgresql.DatabaseWrapper):
    """The database connection of one thread."""

    _connection_pools: ClassVar[dict[str, Pool]] = {}

    @cached_property
    def wrap_database_errors(self) -> ErrorWrapper:
        """The context in which psycopg is called."""
        return ErrorWrapper(self)

    @property
    def pool(self) -> Pool | None:
        """The pool of this process, where the settings ask for one."""
        options = self.settings_dict["OPTIONS"].get("pool")
        if self.alias == NO_DB_ALIAS or not options:
            return None
        pool = self._connection_pools.get(self.alias)
        # Of two threads that make one at the same time, the second uses the first one's: pools are made closed.
        return pool or self._connection_pools.setdefault(self.alias, self._new_pool(options))

    def _new_pool(self, options: dict[str, Any]) -> Pool:
        if self.settings_dict["CONN_MAX_AGE"]:
            raise ImproperlyConfigured("A pool does not work with persistent connections (CONN_MAX_AGE).")
        return Pool(
            connection_class=PooledConnection,
            # Django switches it off where a transaction begins.
            kwargs=self.get_connection_params() | {"autocommit": True},
            open=False,
            configure=self._configure_connection,  # type: ignore[attr-defined]  # not in django-stubs
            check=ConnectionPool.check_connection if self.settings_dict["CONN_HEALTH_CHECKS"] else None,
            **options,
        )

    @async_unsafe
    def get_new_connection(self, conn_params: dict[str, Any]) -> Connection:
        """Return a connection of the pool, or a new one."""
        self.isolation_level = IsolationLevel.READ_COMMITTED
        pool = self.pool
        if pool is None:
            return Connection.connect(**conn_params)
        pool.open()
        return pool.getconn()

    def is_usable(self) -> bool:
        """Say whether the server answers and takes writes, for a connection that was kept or on which errors occurred.

        Asked with the one statement that Django asks with, too.
        """
        if self.connection is None:
            return False
        try:
            [is_standby] = self.connection.execute("SELECT pg_is_in_recovery()").fetchone()
        except self.Database.Error:
            return False
        return not is_standby

    def committing(self, send: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Call what sends a COMMIT, or a statement that commits by itself, and return its result.

        Raises `OutcomeUnknown` when the connection was lost or the commit is not confirmed; the connection is closed
        then, and nothing that was to follow the commit happens. Any other error means that nothing was committed.
        """
        connection: Connection = self.connection
        if connection.closed:
            # Nothing is sent, so that nothing is unknown.
            return send(*args, **kwargs)
        try:
            with connection.commit_wait:
                result = send(*args, **kwargs)
        except (OperationalError, InterfaceError) as error:
            if not is_definite(sqlstate_of(error)):
                self._drop(connection)
                raise OutcomeUnknown("the connection was lost while committing") from error
            raise
        finally:
            if not connection.commit_wait.is_confirmed:
                connection.close()
        if connection.closed:
            self._drop(connection)
            raise OutcomeUnknown("no standby confirmed the commit in time")
        return result

    def _commit(self) -> None:
        # psycopg sends nothing when the COMMIT travelled with the last statements.
        if self.connection is None or self.connection.pgconn.transaction_status == TransactionStatus.IDLE:
            super()._commit()  # type: ignore[misc]  # not in django-stubs
        else:
            self.committing(super()._commit)  # type: ignore[misc]  # not in django-stubs

    def _drop(self, connection: Connection) -> None:
        """Close the connection, and forget what was to follow its commit. Django is told not to open another one."""
        connection.close()
        self.close()
        self.closed_in_transaction = True

    def make_cursor(self, cursor: CursorWrapper) -> CursorWrapper:
        """Return a cursor that watches what commits by itself."""
        return Cursor(cursor, self)

    def make_debug_cursor(self, cursor: CursorWrapper) -> CursorDebugWrapper:
        """Return one that records its statements, too."""
        return DebugCursor(cursor, self)

    def leave_server(self) -> None:
        """Close the connection, and let the pool replace those of the same server.

        Within a transaction it is closed only: every further statement fails as after a lost connection, and the end
        of the transaction drops it.
        """
        if self.connection is None:
            return
        self.connection.close()
        if self.pool is not None:
            self.pool.leave_server()
        if not self.in_atomic_block:
            self.close()

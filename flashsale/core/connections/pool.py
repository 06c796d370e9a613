"""The pool of a web process: connections to a server that takes no writes leave it."""

import time

from psycopg_pool import ConnectionPool

from flashsale.core.connections.connection import PooledConnection

# The pool is emptied at most once in so many seconds, however many statements fail meanwhile.
DRAIN_SECONDS = 1.0


class Pool(ConnectionPool[PooledConnection]):
    """A pool whose connections follow the primary."""

    def putconn(self, conn: PooledConnection) -> None:
        """Take a connection back. The pool replaces one that is closed, and one that is to be replaced."""
        if conn.is_outdated:
            conn.close()
        super().putconn(conn)

    def leave_server(self) -> None:
        """Replace all connections: those that are idle at once, those in use when they are returned."""
        if time.monotonic() - self._drained_at > DRAIN_SECONDS:
            self.drain()

"""Pools of connections that leave a server which has become a replica.

A server that was demoted answers reads, and refuses writes with READONLY. A connection to it ends with that, so that
the next one goes to the new master: the one that the sentinels know, or where the host's name points by then.
"""

import functools
from typing import Any

import redis
from django.conf import settings
from redis.sentinel import SentinelConnectionPool

from flashsale.core.redis_servers import addresses
from flashsale.core.redis_servers.finding import MasterFinder


class LeavesReplica:
    """Mixin of connections: READONLY disconnects, and is a `redis.ConnectionError`."""

    def read_response(self, *args: Any, **kwargs: Any) -> Any:
        """Return the next answer. Raises `redis.ConnectionError` where the server has become a replica."""
        try:
            return super().read_response(*args, **kwargs)  # type: ignore[misc]
        except redis.ReadOnlyError:
            self.disconnect()  # type: ignore[attr-defined]
            raise redis.ConnectionError("The server has become a replica.") from None


class Connection(LeavesReplica, redis.Connection):
    """redis-py's, which leaves a replica."""


class SSLConnection(LeavesReplica, redis.SSLConnection):
    """redis-py's with TLS, which leaves a replica."""


_LEAVING: dict[type, type] = {redis.Connection: Connection, redis.SSLConnection: SSLConnection}


def pool_of(url: str, **options: Any) -> redis.ConnectionPool:
    """Return a new pool of connections to the server, or to the master that the sentinels know.

    `options` are redis-py's, of a connection. Raises `ValueError` for a URL that is neither.
    """
    if not addresses.is_sentinel(url):
        pool = redis.ConnectionPool.from_url(url, **options)
        pool.connection_class = _LEAVING.get(pool.connection_class, pool.connection_class)
        return pool
    address = addresses.parse(url)
    options |= {"db": address.database, "username": address.username, "password": address.password}
    options |= {} if address.tls is None else {"ssl": True, **address.tls}
    return SentinelConnectionPool(address.master, master_finder(url), **options)  # type: ignore[no-untyped-call]


@functools.cache
def master_finder(url: str) -> MasterFinder:
    """Return this process's finder: its pools share what one search found."""
    return MasterFinder(addresses.parse(url), timeout_seconds=settings.REDIS_TIMEOUT_SECONDS)

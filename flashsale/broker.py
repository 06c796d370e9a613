"""The broker's transports: kombu's for Redis, with channels that close on a broken connection and leave a replica."""

import contextlib
from typing import TYPE_CHECKING

from kombu.transport import TRANSPORT_ALIASES, redis

from flashsale.core.redis_servers.pools import Connection, SSLConnection

_Channel = redis.Channel if TYPE_CHECKING else object


class ClosesWhenBroken(_Channel):
    """Mixin: kombu's channel stays half open when its broker is silent, and ends the worker when it is closed again."""

    def close(self) -> None:
        """Close the channel. Messages that cannot be given back return after their visibility timeout."""
        try:
            super().close()
        except self.connection_errors:
            # The bindings of these queues cannot be deleted any more.
            self.auto_delete_queues.clear()
            with contextlib.suppress(*self.connection_errors):
                super().close()


class Channel(ClosesWhenBroken, redis.Channel):
    """kombu's; READONLY from a server that became a replica is a lost connection, not an error of the worker."""

    connection_class = Connection
    connection_class_ssl = SSLConnection


class Transport(redis.Transport):
    """kombu's, with these channels."""

    Channel = Channel


class SentinelChannel(ClosesWhenBroken, redis.SentinelChannel):
    """kombu's; its connections leave a replica by themselves."""


class SentinelTransport(redis.SentinelTransport):
    """kombu's, with these channels."""

    Channel = SentinelChannel


def register() -> None:
    """From now on, addresses of Redis and of sentinels mean these transports."""
    TRANSPORT_ALIASES.update(dict.fromkeys(("redis", "rediss"), f"{__name__}:{Transport.__name__}"))
    TRANSPORT_ALIASES["sentinel"] = f"{__name__}:{SentinelTransport.__name__}"

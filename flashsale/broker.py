"""The broker's transport: kombu's for Redis, with channels that close on a broken connection, too."""

import contextlib

from kombu.transport import TRANSPORT_ALIASES, redis


class Channel(redis.Channel):
    """kombu's stays half open when its broker does not answer, and ends the worker when it is closed again."""

    def close(self) -> None:
        """Close the channel. Messages that cannot be given back return after their visibility timeout."""
        try:
            super().close()
        except self.connection_errors:
            # The bindings of these queues cannot be deleted any more.
            self.auto_delete_queues.clear()
            with contextlib.suppress(*self.connection_errors):
                super().close()


class Transport(redis.Transport):
    """kombu's, with these channels."""

    Channel = Channel


def register() -> None:
    """From now on, addresses of Redis mean this transport."""
    TRANSPORT_ALIASES.update(dict.fromkeys(("redis", "rediss"), f"{__name__}:{Transport.__name__}"))

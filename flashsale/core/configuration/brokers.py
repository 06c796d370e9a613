"""Celery's settings of its broker: one Valkey or Redis, or one behind sentinels, that may move at any time.

A worker notices within 15 seconds that a connection was cut off without a word, a beat with its next sending, and both
connect again. What a broker refuses ends a connection, not the worker (`broker_channel_error_retry`).
"""

from typing import Any

from flashsale.core.redis_servers import addresses
from flashsale.core.redis_servers.addresses import SentinelAddress
from flashsale.core.redis_servers.finding import sentinel_options

SENTINEL_TIMEOUT_SECONDS = 2
OPTIONS: dict[str, Any] = {
    "socket_timeout": 5,
    "socket_connect_timeout": 2,
    "socket_keepalive": True,
    # PING before a command after so long without one; BRPOP and broadcasts are checked as often.
    "health_check_interval": 5,
    # A message that a lost worker had taken is back after this: longer than any task runs (CELERY_TASK_TIME_LIMIT).
    "visibility_timeout": 300,
}


def sentinels_of(url: str, *, redis_url: str) -> SentinelAddress | None:
    """Return the sentinels that a broker's URL names, in our form or in kombu's; None where it names none.

    Where kombu's form has no `master_name`, it is that of `redis_url`. Raises `ValueError`.
    """
    if addresses.is_sentinel(url):
        return addresses.parse(url)
    if not url.startswith(f"{addresses.KOMBUS}://"):
        return None
    of_cache = addresses.parse(redis_url).master if addresses.is_sentinel(redis_url) else addresses.USUAL_MASTER
    return addresses.parse_kombus(url, default_master=of_cache)


def settings_of(url: str, *, redis_url: str) -> tuple[str, dict[str, Any], dict[str, Any] | bool]:
    """Return Celery's `broker_url`, `broker_transport_options` and `broker_use_ssl` for a broker's URL.

    Raises `ValueError`.
    """
    address = sentinels_of(url, redis_url=redis_url)
    if address is not None:
        to_sentinels = sentinel_options(address, timeout_seconds=SENTINEL_TIMEOUT_SECONDS)
        options = OPTIONS | {"master_name": address.master, "sentinel_kwargs": to_sentinels}
        tls = False if address.tls is None else {"ssl_cert_reqs": "required", **address.tls}
        return address.kombu_url, options, tls
    return url, OPTIONS, False


def broker_of(redis_url: str) -> str:
    """Return the broker's URL that means the same as a `REDIS_URL`: for Unix sockets kombu has another scheme."""
    if not redis_url.startswith("unix://"):
        return redis_url
    return redis_url.replace("unix://", "redis+socket://", 1).replace("?db=", "?virtual_host=", 1)

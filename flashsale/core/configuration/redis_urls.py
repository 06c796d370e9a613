"""The addresses of Valkey or Redis, as cache and as Celery's broker.

An option that the client does not know is refused here: it would fail with the first connection, and not as a server
that is away, for which everything has a fallback.
"""

from urllib.parse import SplitResult, parse_qsl, urlsplit

import redis

from flashsale.core.configuration import brokers
from flashsale.core.configuration.broker_tls import verifying
from flashsale.core.configuration.environment import Misconfigured, text
from flashsale.core.redis_servers import addresses

_BROKERS = frozenset({"redis", "rediss", "redis+socket", "amqp", "amqps", "memory"})
_BROKER_OPTIONS = addresses.TLS_OPTIONS | {"virtual_host", "connect_timeout"}
_CERT_REQS = frozenset({"required", "optional", "none", "CERT_REQUIRED", "CERT_OPTIONAL", "CERT_NONE"})


def redis_url(name: str, *, default: str) -> str:
    """Return the address of a Redis or Valkey, or of the sentinels that watch it."""
    value = text(name) or default
    try:
        is_url = _names_redis(value)
    except ValueError:
        is_url = False
    if not is_url:
        expected = (
            "redis://host:port/number, rediss://..., unix:///path or redis+sentinel://host:port,.../master/number"
        )
        raise Misconfigured(name, f"must be {expected}, without options that redis-py does not know")
    return value


def broker_url(name: str, *, default: str) -> str:
    """Return the address of Celery's broker, or several separated by semicolons; TLS verifies certificates."""
    value = text(name) or default
    try:
        if brokers.sentinels_of(value, redis_url="") is not None:
            return value
        urls = [urlsplit(part.strip()) for part in value.split(";")]
        is_url = all(url.scheme in _BROKERS and _is_server(url) and _has_known_options(url) for url in urls)
    except ValueError:
        is_url = False
    if not is_url:
        expected = (
            "redis://host:port/number, redis+socket:///path, redis+sentinel://host:port,.../master/number or another"
            " broker of Celery"
        )
        raise Misconfigured(name, f"must be {expected}, without options that kombu does not know")
    return verifying(value)


def _names_redis(url: str) -> bool:
    if addresses.is_sentinel(url):
        return bool(addresses.parse(url))
    if not _is_server(urlsplit(url)):
        return False
    try:
        # Made, not opened.
        pool = redis.ConnectionPool.from_url(url)
        pool.connection_class(**pool.connection_kwargs)
    except (TypeError, redis.RedisError):
        return False
    return True


def _has_known_options(url: SplitResult) -> bool:
    options = dict(parse_qsl(url.query))
    if not url.scheme.startswith("redis"):
        return True
    has_values = (
        options.get("ssl_cert_reqs", "required") in _CERT_REQS and options.get("connect_timeout", "5").isdigit()
    )
    return has_values and not options.keys() - _BROKER_OPTIONS


def _is_server(url: SplitResult) -> bool:
    """Say whether a URL names a server and, for Redis, a database by its number.

    Raises `ValueError` for a bad port and for malformed options, such as the rest of a password.
    """
    if url.fragment or (url.query and not parse_qsl(url.query, strict_parsing=True)):
        return False
    if url.scheme in {"unix", "redis+socket"}:
        return url.path.startswith("/") and not url.netloc
    if url.scheme == "memory":
        return True
    is_number = url.path.strip("/").isdigit() or url.path in {"", "/"}
    has_port = url.port is None or url.port > 0
    return bool(url.hostname) and has_port and (is_number or not url.scheme.startswith("redis"))

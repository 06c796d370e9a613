"""The address of the PostgreSQL database, as Django wants it."""

from typing import Any
from urllib.parse import urlsplit

import environ
import psycopg
from psycopg.conninfo import make_conninfo

from flashsale.core.configuration.environment import Misconfigured, text

# Our own backend (`flashsale.core.connections.base`).
BACKEND = "flashsale.core.connections"
SCHEMES = frozenset({"postgresql", "postgres", "pgsql", "psql"})
# The options of a database URL that are Django's own, not the connection's.
DJANGO_OPTIONS = ("CONN_MAX_AGE", "ATOMIC_REQUESTS", "AUTOCOMMIT", "DISABLE_SERVER_SIDE_CURSORS", "CONN_HEALTH_CHECKS")

DEFAULT_PORT = 5432
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
# The values of `target_session_attrs` with which a connection takes writes.
PRIMARY = ("read-write", "primary")


def database(name: str) -> dict[str, Any] | None:
    """Return Django's description of the PostgreSQL database that a URL names, None where there is none."""
    if not (value := text(name)):
        return None
    # An unescaped character in a password ends it early; the rest would be parsed as a port, a name or options.
    expected = (
        "must be postgresql://user:password@host:port/database (percent-encode what is special in the password, or give"
        " it as DATABASE_PASSWORD)"
    )
    try:
        url = urlsplit(value)
        # For another scheme the library logs a warning that contains the password.
        config = environ.Env.db_url_config(value, engine=BACKEND) if url.scheme in SCHEMES else {}
    except (ValueError, TypeError, IndexError):
        raise Misconfigured(name, expected) from None
    if not config.get("NAME") or url.fragment or set("@/:").intersection(config["NAME"]):
        raise Misconfigured(name, expected)
    _check_options(name, config)
    _check_hosts(name, config)
    try:
        return config | _hosts(url.netloc)
    except ValueError:
        raise Misconfigured(name, expected) from None


def _hosts(netloc: str) -> dict[str, str]:
    """Return hosts and ports as libpq takes several; nothing where the URL names one or none.

    Raises `ValueError`.
    """
    user, _, hosts = netloc.rpartition("@")
    if "@" in user:
        raise ValueError("an unescaped password")
    parts = [urlsplit(f"//{part}") for part in hosts.split(",")] if hosts else []
    if any(part.port == 0 or not part.hostname or " " in part.hostname for part in parts):
        raise ValueError("no host")
    if len(parts) < 2:
        return {}
    return {
        "HOST": ",".join(part.hostname or "" for part in parts),
        "PORT": ",".join(str(part.port or DEFAULT_PORT) for part in parts),
    }


def _check_hosts(name: str, config: dict[str, Any]) -> None:
    """Among several hosts libpq looks for the primary only when it is told to; else it takes a standby as well."""
    options = config.get("OPTIONS", {})
    wanted = options.get("target_session_attrs")
    if wanted not in (None, *PRIMARY) or (wanted is None and "," in (options.get("host") or config.get("HOST") or "")):
        raise Misconfigured(name, "must have target_session_attrs=read-write, or none where it names one host")


def _check_options(name: str, config: dict[str, Any]) -> None:
    for option in DJANGO_OPTIONS:
        if option in config and not isinstance(config[option], int | None):
            raise Misconfigured(name, f"has an option {option} that is neither a number nor True or False")
    options = config.get("OPTIONS", {})
    if "options" in options:
        raise Misconfigured(name, "must have no options=..., which the shop sets itself")
    if options.get("sslmode", "prefer") not in SSL_MODES:
        raise Misconfigured(name, f"must have an sslmode of {', '.join(SSL_MODES)}")
    try:
        make_conninfo(**options)
    except (psycopg.ProgrammingError, TypeError):
        raise Misconfigured(name, "has options that PostgreSQL does not know") from None

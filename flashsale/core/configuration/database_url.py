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
    return config


def _check_hosts(name: str, config: dict[str, Any]) -> None:
    """Among several hosts libpq looks for the primary only when it is told to; else it takes a standby as well."""
    options = config.get("OPTIONS", {})
    wanted = options.get("target_session_attrs")
    if wanted not in (None, *PRIMARY) or (wanted is None and "," in (options.get("host") or config.get("HOST") or "")):
        raise Misconfigured(name, "must have target_session_attrs=read-write where it names several hosts")


def _check_options(name: str, config: dict[str, Any]) -> None:
    for option in DJANGO_OPTIONS:
        if option in config and not isinstance(config[option], int | None):
            raise Misconfigured(name, f"has an option {option} that is neither a number nor True or False")
    try:
        make_conninfo(**config.get("OPTIONS", {}))
    except (psycopg.ProgrammingError, TypeError):
        raise Misconfigured(name, "has options that PostgreSQL does not know") from None

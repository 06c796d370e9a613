"""Servers that cannot be used, and what to do about it, in one sentence for people instead of a traceback.

Source: https://www.postgresql.org/docs/current/errcodes-appendix.html, classes 08, 53 and 57. A refusal while
connecting has no such code: psycopg gives libpq's text, and PostgreSQL's own messages are recognised in English.
"""

import re
from urllib.parse import urlsplit

import psycopg
import redis
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import Error, InterfaceError, OperationalError, connection
from django.db.migrations.executor import MigrationExecutor
from kombu.exceptions import OperationalError as BrokerError

from flashsale.core import greenlets

# Too many connections; ended by an administrator, by a crash, or not accepting connections yet.
_AWAY_STATES = frozenset({"53300", "57P01", "57P02", "57P03"})
_CONNECTION_CLASS = "08"
_MISSING_STATES = frozenset({"42P01", "42703"})
MAX_REASON_LENGTH = 300

_START = "start it, or check DATABASE_URL"
# What PostgreSQL or libpq says, what that means, and what to do; the first that matches.
_CASES = [
    (r"authentication|no password supplied|role .* does not exist|pg_hba", "refuses the user",
     "check the user in DATABASE_URL, and DATABASE_PASSWORD"),
    (r"database .* does not exist", "has no such database", "create it, or check the name in DATABASE_URL"),
    (r"resolve host|translate host", "has no known address", "check the host in DATABASE_URL"),
    (r"too many clients|connection slots|too many connections", "has no connection left",
     "see ConnectionsNearLimit in docs/operations.md"),
    (r"couldn't get a connection", "gave no connection", "see DatabaseDown and TooBusy in docs/operations.md"),
    (r"starting up|shutting down|in recovery", "does not take connections yet", "wait until it does"),
    (r"FATAL", "refuses connections", _START),
]  # fmt: skip
# What comes before the reason itself, for each address that was tried.
_PREFIX = re.compile(r"(?:^|.* )(?:failed: (?:error: )?)(?:FATAL: +)?")


def sentence_of(error: BaseException) -> str | None:
    """Return what an error says about a server that cannot be used; None for every other error.

    A missing table counts while migrations are missing; that asks the database.
    """
    if isinstance(error, ImproperlyConfigured):
        # Such as a connection without time-outs; its message is for people.
        return str(error)
    if isinstance(error, (OperationalError, InterfaceError, psycopg.OperationalError, psycopg.InterfaceError)):
        return _of_database(error) if _is_away(error) else None
    if isinstance(error, (redis.ConnectionError, redis.TimeoutError)):
        return _sentence("Valkey/Redis", settings.REDIS_URL, _first_line(error), "REDIS_URL")
    if isinstance(error, BrokerError):
        return _sentence("The broker", settings.CELERY_BROKER_URL, _first_line(error), "CELERY_BROKER_URL")
    if isinstance(error, Error) and _state_of(error) in _MISSING_STATES and _lacks_migrations():
        return (
            f"The database at {_database_address()} lacks what this version needs: {_first_line(error)};"
            " run `manage.py migrate`."
        )
    return None


def _is_away(error: BaseException) -> bool:
    state = _state_of(error)
    if isinstance(error, (InterfaceError, psycopg.InterfaceError)) and "connection" not in str(error):
        return False
    return state is None or state in _AWAY_STATES or state.startswith(_CONNECTION_CLASS)


def _state_of(error: BaseException) -> str | None:
    return getattr(error.__cause__ or error, "sqlstate", None)


def _of_database(error: BaseException) -> str:
    text = str(error)
    reasons = [_PREFIX.sub("", line) for line in text.splitlines() if _PREFIX.match(line)]
    reason = "; ".join(dict.fromkeys(reasons)) or _first_line(error)
    cases = ((means, advice) for pattern, means, advice in _CASES if re.search(pattern, text))
    means, advice = next(cases, ("does not answer", _START))
    return f"The database at {_database_address()} {means}: {reason[:MAX_REASON_LENGTH]}; {advice}."


def _database_address() -> str:
    """Return host and port, or several, or the folder of a socket."""
    config = connection.settings_dict
    hosts, ports = str(config["HOST"] or "localhost").split(","), str(config["PORT"] or "5432").split(",")
    return ", ".join(f"{host}:{ports[min(number, len(ports) - 1)]}" for number, host in enumerate(hosts))


def _sentence(name: str, url: str, reason: str, setting: str) -> str:
    return f"{name} at {_addresses(url)} does not answer: {reason}; start it, or check {setting}."


def _addresses(urls: str) -> str:
    """Return host and port of each URL, or its path: a URL may hold a password."""
    parts = [urlsplit(url.strip()) for url in urls.split(";")]
    return ", ".join(url.netloc.rpartition("@")[2] or url.path for url in parts)


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".")[:MAX_REASON_LENGTH]


@greenlets.offloaded
def _lacks_migrations() -> bool:
    try:
        executor = MigrationExecutor(connection)
        return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    except (Error, ImproperlyConfigured):
        return False

"""Checks the timeouts of database connections: a pooler may drop the options that set them.

PgBouncer does so silently with `ignore_startup_parameters = options`. Without timeouts a statement may wait for a lock
forever, and a frozen process keeps its locks, so production refuses to run: web server, workers and beat check at their
start, and every process checks its first connection, because the database may have been down at the start.
Source: https://www.pgbouncer.org/config.html#ignore_startup_parameters
"""

import logging
import sys
from typing import Any

from celery.signals import worker_init
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, InterfaceError, OperationalError, connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from flashsale.core import outages

log = logging.getLogger(__name__)

SETTING_OF_TIMEOUT = {
    "lock_timeout": "DATABASE_LOCK_TIMEOUT_MS",
    "statement_timeout": "DATABASE_STATEMENT_TIMEOUT_MS",
    "idle_in_transaction_session_timeout": "DATABASE_IDLE_TRANSACTION_MS",
}
_READ_BACK = "SELECT name FROM pg_settings WHERE name = ANY(%s) AND setting = '0' ORDER BY name"
REFUSED_AT_ITS_START = "unsupported startup parameter"


class TimeoutsMissing(OperationalError, ImproperlyConfigured):
    """A connection has no timeouts; the message is for people."""

    def __init__(self, names: list[str]) -> None:
        role = settings.DATABASES["default"]["USER"]
        missing = {name: getattr(settings, SETTING_OF_TIMEOUT[name]) for name in names}
        set_for_role = " ".join(f"ALTER ROLE {role} SET {name} = '{ms}ms';" for name, ms in missing.items())
        super().__init__(
            f"The database connection has no {', '.join(names)}, because a pooler drops what is asked for at its start:"
            f" set it where no pooler drops it, then reconnect the pooler (docs/deployment.md): {set_for_role}"
        )


def register() -> None:
    """Check the first connection of this process, and a worker at its start."""
    if not settings.LOCAL_MODE:
        connection_created.connect(_check_first, dispatch_uid="flashsale.core.connections.database_timeouts")
        worker_init.connect(end_without_timeouts)


def check() -> None:
    """Raise `TimeoutsMissing` when a new connection has none; that the database does not answer is only logged."""
    if settings.LOCAL_MODE:
        return
    # Outside the pool of this process, which may be about to exec another program, or to fork.
    fresh = connection.copy()
    fresh.settings_dict["OPTIONS"].pop("pool", None)
    try:
        _check(fresh)
    except TimeoutsMissing:
        raise
    except (DatabaseError, InterfaceError) as error:
        if REFUSED_AT_ITS_START in str(error):
            raise ImproperlyConfigured(
                "The pooler before the database refuses a connection that asks for time-outs: set DATABASE_POOLER=1,"
                " and the time-outs for the role (docs/deployment.md)."
            ) from error
        log.warning("%s", outages.sentence_of(error) or error)
    finally:
        fresh.close()


def end_without_timeouts(**_: Any) -> None:
    """Exit a Celery program with a message when its connections have no timeouts."""
    try:
        check()
    except ImproperlyConfigured as error:
        sys.exit(f"celery: {error}")


def _check(wrapper: BaseDatabaseWrapper) -> None:
    with wrapper.cursor() as cursor:
        cursor.execute(_READ_BACK, [list(SETTING_OF_TIMEOUT)])
        missing = [name for (name,) in cursor.fetchall()]
    if missing:
        raise TimeoutsMissing(missing)


def _check_first(connection: BaseDatabaseWrapper, **_: Any) -> None:
    """Check each new connection until one has timeouts."""
    try:
        _check(connection)
    except TimeoutsMissing:
        # Otherwise the next query would use this connection.
        connection.close()
        raise
    connection_created.disconnect(dispatch_uid="flashsale.core.connections.database_timeouts")

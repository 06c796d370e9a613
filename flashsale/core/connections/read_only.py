"""Whether the server takes writes: asked by readiness, because a standby answers every read."""

from typing import cast

from django.db import connection

from flashsale.core.connections.base import DatabaseWrapper

# In recovery a server is a standby; one can also be told to take no writes, as some providers do when its disk is full.
_IS_READ_ONLY = "SELECT pg_is_in_recovery() OR current_setting('default_transaction_read_only')::boolean"


def takes_writes() -> bool:
    """Ask the server. One that takes no writes loses this process's connections, which are then made anew.

    Raises database errors.
    """
    with connection.cursor() as cursor:
        cursor.execute(_IS_READ_ONLY)
        [is_read_only] = cursor.fetchone()
    if is_read_only:
        cast(DatabaseWrapper, connection).leave_server()
    return not is_read_only

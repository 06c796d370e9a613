"""Cursors that watch the statements which commit by themselves: those that write outside a transaction."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.db.backends.utils import CursorDebugWrapper, CursorWrapper

if TYPE_CHECKING:
    from flashsale.core.connections.base import DatabaseWrapper

_WRITES = ("INSERT ", "UPDATE ", "DELETE ", "MERGE ")
# These may take long. They are run by hand, where a wait for a standby is seen.
_DEFINITIONS = ("CREATE", "ALTER", "DROP", "COMMENT")


def writes(sql: Any) -> bool:
    """Say whether a statement writes rows. One that locks them only is counted too."""
    return (
        isinstance(sql, str)
        and any(word in sql for word in _WRITES)
        and not sql.lstrip().upper().startswith(_DEFINITIONS)
    )


class _CommitsItself:
    """What is added to Django's cursors."""

    db: "DatabaseWrapper"

    def _execute(self, sql: Any, params: Any, *ignored: Any) -> Any:
        execute = super()._execute  # type: ignore[misc]  # of the class that this is mixed into
        if self.db.autocommit and writes(sql):
            return self.db.committing(execute, sql, params)
        return execute(sql, params)

    def _executemany(self, sql: Any, param_list: Sequence[Any], *ignored: Any) -> Any:
        execute = super()._executemany  # type: ignore[misc]  # of the class that this is mixed into
        if self.db.autocommit and writes(sql):
            return self.db.committing(execute, sql, param_list)
        return execute(sql, param_list)


class Cursor(_CommitsItself, CursorWrapper):
    """A cursor of this backend."""


class DebugCursor(_CommitsItself, CursorDebugWrapper):
    """A cursor of this backend that records its statements."""

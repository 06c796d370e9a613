"""The connection of this project: what it knows of its server, and of its COMMIT."""

import time
from typing import Any

import psycopg
from psycopg.pq import ConnStatus

from flashsale.core.connections.commit_waits import CommitWait

# A connection to a standby is used for so long before it is replaced.
READ_ONLY_SECONDS = 1.0
READ_ONLY_SQLSTATE = "25006"


class Connection(psycopg.Connection[Any]):
    """A connection of psycopg that knows how old it is, and watches its COMMITs."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._opened_at = time.monotonic()
        self.commit_wait = CommitWait(self.pgconn)
        self.add_notice_handler(self.commit_wait.notice)

    @property
    def is_outdated(self) -> bool:
        """Whether it is to be replaced: its server is a standby, where another one may be the primary by now.

        The server reports `in_hot_standby` when a connection begins and whenever it changes, so this asks nothing. At
        most once in `READ_ONLY_SECONDS`, because reads may go on while there is no primary.
        Source: https://www.postgresql.org/docs/current/libpq-status.html#LIBPQ-PQPARAMETERSTATUS
        """
        return (
            self.pgconn.status == ConnStatus.OK
            and self.pgconn.parameter_status(b"in_hot_standby") == b"on"
            and time.monotonic() - self._opened_at > READ_ONLY_SECONDS
        )

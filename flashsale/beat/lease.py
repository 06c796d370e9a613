"""The lease of the beat that sends: one row in PostgreSQL, judged by the database's clock.

Each sending is claimed in the statement that renews the lease and stores when the entry ran. The row lock puts claims
and take-overs in an order, so that a beat which reads the schedule after it took the lease knows of every claim before.
"""

import contextlib
import socket
import time
import uuid
from datetime import datetime

from django.db import Error, connection

from flashsale.models import HOST_LENGTH

# A beat that died or hangs is replaced after this, and the second that another one takes to notice.
LEASE_SECONDS = 15
# Claims renew the lease; a beat that sends nothing renews it this often.
RENEW_SECONDS = 3.0

# A beat that waits only reads: the INSERT has no row while another one's lease lasts.
_TAKE = """
INSERT INTO flashsale_beatlease AS lease (id, holder, host, expires_at)
SELECT 1, %(holder)s, %(host)s, clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE NOT EXISTS (
    SELECT FROM flashsale_beatlease WHERE holder <> %(holder)s AND expires_at > clock_timestamp()
)
ON CONFLICT (id) DO UPDATE
SET holder = EXCLUDED.holder, host = EXCLUDED.host,
    expires_at = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE lease.holder = EXCLUDED.holder OR lease.expires_at <= clock_timestamp()
RETURNING 1
"""
_CLAIM = """
WITH lease AS (
    UPDATE flashsale_beatlease
    SET expires_at = clock_timestamp() + make_interval(secs => %(seconds)s), sent_at = clock_timestamp()
    WHERE holder = %(holder)s RETURNING 1
)
UPDATE django_celery_beat_periodictask SET last_run_at = %(run_at)s, total_run_count = total_run_count + 1
WHERE id = %(entry)s AND EXISTS (SELECT FROM lease)
RETURNING 1
"""
_RELEASE = "UPDATE flashsale_beatlease SET expires_at = clock_timestamp() WHERE holder = %(holder)s"


class Lease:
    """This process's claim to be the beat that sends. Each method may raise `django.db.Error`, but `release`."""

    def __init__(self) -> None:
        self._values: dict[str, object] = {
            "holder": uuid.uuid4(), "host": socket.gethostname()[:HOST_LENGTH], "seconds": LEASE_SECONDS,
        }  # fmt: skip
        self._renewed_at: float | None = None
        self._may_be_ours = False

    def hold(self) -> bool:
        """Take or renew the lease; False while another beat has it. Asks the database every `RENEW_SECONDS`."""
        if self._renewed_at is not None and time.monotonic() < self._renewed_at + RENEW_SECONDS:
            return True
        return self._renewed(_TAKE)

    def claim(self, entry: int, *, run_at: datetime) -> bool:
        """Renew the lease and store that the schedule's entry (its id) ran; False when either is gone.

        An expired lease that no other beat has taken counts as held.
        """
        return self._renewed(_CLAIM, entry=entry, run_at=run_at)

    def release(self) -> None:
        """Let another beat take the lease at once.

        A signal handler may call it in the middle of a statement: it has a connection of its own.
        """
        if not self._may_be_ours:
            return
        self._renewed_at, self._may_be_ours = None, False
        own = connection.copy()
        own.settings_dict["OPTIONS"].pop("pool", None)
        with contextlib.suppress(Error), contextlib.closing(own), own.cursor() as cursor:
            cursor.execute(_RELEASE, self._values)

    def _renewed(self, statement: str, **values: object) -> bool:
        asked_at, self._renewed_at = time.monotonic(), None
        with connection.cursor() as cursor:
            cursor.execute(statement, self._values | values)
            is_held = self._may_be_ours = cursor.fetchone() is not None
        self._renewed_at = asked_at if is_held else None
        return is_held

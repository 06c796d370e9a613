"""The database's clock, followed by this process: tickets are minted by it without asking the database.

The host's clock is not used: it may be wrong, and may be set while the process runs.
"""

import threading
import time
from datetime import datetime, timedelta

from flashsale.core import clock

# An answer that took longer says too little about the time; it is used where there is none that is younger than
# `STALE_SECONDS`.
PRECISE_SECONDS = 0.05
STALE_SECONDS = 30.0


class DatabaseClock:
    """The offset between the database's clock and this process's monotonic one."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._read_at: datetime | None = None
        # Monotonic seconds.
        self._then = 0.0

    def reset(self) -> None:
        """Forget the offset."""
        with self._mutex:
            self._read_at = None

    def follow(self, read_at: datetime, *, asked: float) -> None:
        """Take note that the database's time was `read_at`, in the answer to a query sent at `asked` (monotonic)."""
        answered = time.monotonic()
        with self._mutex:
            is_stale = self._read_at is None or answered - self._then > STALE_SECONDS
            if is_stale or answered - asked <= PRECISE_SECONDS:
                self._read_at, self._then = read_at, (asked + answered) / 2

    def now(self) -> datetime:
        """Return the database's present time, within some milliseconds; asks the database if it never did."""
        if self._read_at is None:
            asked = time.monotonic()
            self.follow(clock.now(), asked=asked)
        with self._mutex:
            if self._read_at is None:
                raise RuntimeError("the clock was reset while it was read")
            return self._read_at + timedelta(seconds=time.monotonic() - self._then)


database_clock = DatabaseClock()

"""The database's clock, followed by this process: tickets are minted by it without asking the database.

The host's clock is not used: it may be wrong, and may be set while the process runs.
"""

import threading
import time
from datetime import datetime, timedelta

from flashsale.core import clock

# What the time is known by is off by half of how long the answer took. A slower answer than the one in use replaces it
# when that is older: clocks drift apart, and are set.
DRIFT_SECONDS_A_SECOND = 0.001


class DatabaseClock:
    """The offset between the database's clock and this process's monotonic one."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._read_at: datetime | None = None
        # Monotonic seconds, and seconds that the answer took.
        self._then = self._took = 0.0

    def reset(self) -> None:
        """Forget the offset."""
        with self._mutex:
            self._read_at = None

    def follow(self, read_at: datetime, *, asked: float) -> None:
        """Take note that the database's time was `read_at`, in the answer to a query sent at `asked` (monotonic)."""
        answered = time.monotonic()
        with self._mutex:
            allowed = self._took + DRIFT_SECONDS_A_SECOND * (answered - self._then)
            if self._read_at is None or answered - asked <= allowed:
                self._read_at, self._then, self._took = read_at, (asked + answered) / 2, answered - asked

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

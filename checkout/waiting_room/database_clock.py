"""The database's clock, followed by this process: tickets are minted by it without asking the database.

The host's clock is not used: it may be wrong, and may be set while the process runs.
"""

import threading
import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from flashsale.core import clock

# The time is known to within half of how long the answer took. A slower answer than the one in use replaces it when
# that is old, since clocks drift apart, and when the two contradict each other, since a clock was set.
DRIFT_SECONDS_A_SECOND = 0.001


@dataclass(frozen=True)
class _Reading:
    """The database's time at `then` (monotonic seconds), from an answer that took `took` seconds."""

    at: datetime
    then: float
    took: float

    def time(self, monotonic: float) -> datetime:
        """Return the database's time at a moment of this process."""
        return self.at + timedelta(seconds=monotonic - self.then)

    def gives_way_to(self, new: "_Reading") -> bool:
        """Say whether a later reading is to be used in place of this one."""
        drift = DRIFT_SECONDS_A_SECOND * (new.then - self.then)
        off = abs((new.at - self.time(new.then)).total_seconds())
        return new.took <= self.took + drift or off > (new.took + self.took) / 2 + drift


class DatabaseClock:
    """The offset between the database's clock and this process's monotonic one."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._reading: _Reading | None = None

    def reset(self) -> None:
        """Forget the offset."""
        with self._mutex:
            self._reading = None

    def follow(self, read_at: datetime, *, asked: float) -> None:
        """Take note that the database's time was `read_at`, in the answer to a query sent at `asked` (monotonic)."""
        answered = time.monotonic()
        new = _Reading(read_at, then=(asked + answered) / 2, took=answered - asked)
        with self._mutex:
            if self._reading is None or self._reading.gives_way_to(new):
                self._reading = new

    def now(self) -> datetime:
        """Return the database's present time, within some milliseconds; asks the database if it never did."""
        reading = self._reading
        if reading is None:
            asked = time.monotonic()
            self.follow(clock.now(), asked=asked)
            reading = self._reading
        if reading is None:
            raise RuntimeError("the clock was reset while it was read")
        return reading.time(time.monotonic())


database_clock = DatabaseClock()

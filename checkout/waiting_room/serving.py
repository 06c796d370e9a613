"""How far a queue is served: a line over time, which goes on by the clock while no process moves it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

# How long the line goes on when no process moves it; then it stands still, so that a shop that was down for an hour
# does not admit an hour's crowd at once.
COAST_SECONDS = 60.0
# Tickets of the last seconds are not served yet: processes count them once a second.
COUNTED_AFTER_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class ServingLine:
    """Place `serving` at `moved_at`, then `rate` places a second until `turns_at`, then `next_rate`.

    A move is in force from `turns_at` on, a second after it was decided. Until then the line is the one of before:
    processes read a queue every second, and none of them may show a place beyond that of another.
    """

    drawn_at: datetime
    moved_at: datetime
    serving: float
    rate: float
    turns_at: datetime
    next_rate: float

    def at(self, now: datetime) -> float:
        """Return the place that is served at `now`; it never decreases with time."""
        first = _seconds(self.moved_at, min(now, self.turns_at))
        then = _seconds(self.turns_at, min(now, self.turns_at + timedelta(seconds=COAST_SECONDS)))
        place = self.serving + self.rate * first + self.next_rate * then
        return max(self.serving, min(place, self.newest_at(now)))

    def rate_at(self, now: datetime) -> float:
        """Return by how many places a second the line grows at `now`."""
        return self.rate if now < self.turns_at else self.next_rate

    def newest_at(self, now: datetime) -> float:
        """Return the newest place that may be served at `now`: that of tickets that are counted by then."""
        return 1.0 + max(0.0, _seconds(self.drawn_at, now) - COUNTED_AFTER_SECONDS)


def _seconds(start: datetime, end: datetime) -> float:
    return max(0.0, (end - start).total_seconds())

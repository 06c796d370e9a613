"""How far a queue is served: a line over time, which goes on by the clock while no process moves it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

# From the decision about a move to the moment when it is in force.
LEAD_SECONDS = 1.0
# The most that lies between the statement that writes a move and the moment when other processes can read it.
COMMIT_SECONDS = 0.25
# How long the line goes on when no process moves it; then it stands still, so that a shop that was down for an hour
# does not admit an hour's crowd at once.
COAST_SECONDS = 60.0
# Tickets of the last seconds are not served yet: processes count them once a second.
COUNTED_AFTER_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class ServingLine:
    """Place `serving` at `moved_at`, then `rate` places a second until `turns_at`, then `next_rate`.

    Tickets that are not counted yet are not served: the line stays below `newest_at`, and `serving` may be beyond it.
    A move is in force from `turns_at` on, and until then the line is exactly the one of before. A copy is used while no
    move which it does not know can be in force (`valid_until`), so that all copies in use show the same place.
    """

    drawn_at: datetime
    moved_at: datetime
    serving: float
    rate: float
    turns_at: datetime
    next_rate: float

    def at(self, now: datetime) -> float:
        """Return the place that is served at `now`; it never decreases with time."""
        return min(self._unbounded_at(now), self.newest_at(now))

    def rate_at(self, now: datetime) -> float:
        """Return by how many places a second the line grows at `now`."""
        return self.rate if now < self.turns_at else self.next_rate

    def newest_at(self, now: datetime) -> float:
        """Return the newest place that may be served at `now`: that of tickets that are counted by then."""
        return 1.0 + max(0.0, _seconds(self.drawn_at, now) - COUNTED_AFTER_SECONDS)

    def valid_until(self, *, read_at: datetime) -> datetime:
        """Return until when a copy that was read at `read_at` is the line in force: no move made since can be.

        The line is moved after `turns_at`, and after `read_at` but for a COMMIT that was under way: `LEAD_SECONDS`
        later at the soonest it is another one.
        """
        return max(self.turns_at, read_at - timedelta(seconds=COMMIT_SECONDS)) + timedelta(seconds=LEAD_SECONDS)

    def may_turn_at(self, now: datetime) -> bool:
        """Say whether the line may be moved at `now`: not while it is to stand still before the move is in force."""
        stands_in = _seconds(now, self.turns_at + timedelta(seconds=COAST_SECONDS))
        return now >= self.turns_at and not 0 < stands_in < 2 * LEAD_SECONDS

    def turning(self, *, decided_at: datetime, turns_at: datetime, next_rate: float) -> "ServingLine":
        """Return the line that is this one until `turns_at`, then grows by `next_rate`; see `may_turn_at`."""
        stands = decided_at >= self.turns_at + timedelta(seconds=COAST_SECONDS)
        # Beyond this it makes no difference until then.
        beyond = self.newest_at(turns_at + timedelta(seconds=LEAD_SECONDS))
        return ServingLine(
            drawn_at=self.drawn_at,
            moved_at=decided_at,
            serving=min(self._unbounded_at(decided_at), beyond),
            rate=0.0 if stands else self.rate_at(decided_at),
            turns_at=turns_at,
            next_rate=next_rate,
        )

    def _unbounded_at(self, now: datetime) -> float:
        first = self.serving + self.rate * _seconds(self.moved_at, min(now, self.turns_at))
        if now < self.turns_at:
            return first
        then = _seconds(self.turns_at, min(now, self.turns_at + timedelta(seconds=COAST_SECONDS)))
        return min(first, self.newest_at(self.turns_at)) + self.next_rate * then


def _seconds(start: datetime, end: datetime) -> float:
    return max(0.0, (end - start).total_seconds())

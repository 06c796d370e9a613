"""Where the tickets of a queue stand: evenly in the draw, then as many in each second as were minted in it."""

from collections.abc import Sequence
from dataclasses import dataclass

# For seconds that are not counted yet, as many tickets are expected as in the last ones that are.
RECENT_SECONDS = 5


@dataclass(frozen=True, kw_only=True)
class Crowd:
    """`drawn`: tickets in the draw. `late`: tickets by second, as (seconds after the draw, tickets), ascending.

    `counted_seconds`: how many seconds after the draw are counted. Tickets whose count was lost stand at no place:
    they are served too, sooner than they would be.
    """

    drawn: int
    late: Sequence[tuple[float, int]] = ()
    counted_seconds: float = 0.0

    def between(self, low: float, high: float) -> float:
        """Return how many tickets have a place from `low` to `high`."""
        return sum(
            tickets * (min(high, end) - max(low, start)) / (end - start)
            for start, end, tickets in self._spans()
            if min(high, end) > max(low, start)
        )

    def place_after(self, place: float, tickets: float) -> float:
        """Return the place up to which `tickets` more are served from `place` on; seconds without any cost nothing."""
        for start, end, count in self._spans():
            if end <= place or tickets <= 0:
                continue
            low = max(place, start)
            inside = count * (end - low) / (end - start)
            if inside > tickets:
                return low + (end - low) * tickets / inside
            tickets -= inside
            place = end
        end_of_counted = max(place, 1.0 + self.counted_seconds) if tickets > 0 else place
        return end_of_counted + tickets / self._recent_density()

    def _spans(self) -> list[tuple[float, float, int]]:
        """Return where tickets stand, as (from place, to place, tickets), ascending; none stand in two of them.

        The first second began before the draw.
        """
        spans = [(0.0, 1.0, self.drawn)] if self.drawn else []
        return spans + [(1.0 + max(0.0, second), 2.0 + second, tickets) for second, tickets in self.late if tickets]

    def _recent_density(self) -> float:
        """Return how many tickets a second are expected in the seconds that are not counted: at least one."""
        recent = sum(tickets for second, tickets in self.late if second >= self.counted_seconds - RECENT_SECONDS)
        return max(1.0, recent / RECENT_SECONDS)

"""The refusals of this process that are not stored yet."""

import threading
import time
from collections import Counter
from dataclasses import dataclass

from flashsale.core import events

# Different periods, products and reasons that are kept while PostgreSQL does not answer; later ones are lost.
MAX_UNWRITTEN = 10_000


@dataclass(frozen=True, slots=True)
class Period:
    """One second (since the epoch) of one product, and the code of a refusal."""

    second: int
    product_id: int
    code: str


Counts = Counter[Period]


class RefusalCounter:
    """Counts refused claims of this process."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._unwritten: dict[tuple[int, int, str], int] = {}
        self._lost = 0

    def reset(self) -> None:
        """Forget what was not taken yet."""
        with self._mutex:
            self._unwritten, self._lost = {}, 0

    def add(self, code: str, *, product_id: int) -> None:
        """Count one refusal now, unless `MAX_UNWRITTEN` periods are kept already."""
        period = (int(time.time()), product_id, code)
        with self._mutex:
            count = self._unwritten.get(period, 0)
            if count or len(self._unwritten) < MAX_UNWRITTEN:
                self._unwritten[period] = count + 1
            else:
                self._lost += 1

    def take(self) -> Counts:
        """Return what was counted since the last time; log how many refusals were not counted."""
        with self._mutex:
            unwritten, self._unwritten = self._unwritten, {}
            lost, self._lost = self._lost, 0
        if lost:
            events.record("refusals_uncounted", count=lost)
        return Counter({Period(*period): count for period, count in unwritten.items()})

    def give_back(self, counts: Counts) -> None:
        """Count again what was taken and could not be stored."""
        with self._mutex:
            for period, count in counts.items():
                key = (period.second, period.product_id, period.code)
                self._unwritten[key] = self._unwritten.get(key, 0) + count


counter = RefusalCounter()

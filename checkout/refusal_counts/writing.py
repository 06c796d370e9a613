"""The thread of a web process that stores its refusals: requests never wait for it, and it outlives errors."""

import logging

from checkout.refusal_counts import stored
from checkout.refusal_counts.counting import RefusalCounter, counter
from flashsale.core.periodic_threads import PeriodicThread

WRITE_SECONDS = 1.0

log = logging.getLogger(__name__)


class RefusalWriter(PeriodicThread):
    """Stores what was counted every `WRITE_SECONDS`, and once more when it is stopped.

    Web processes start it; other processes refuse no claims of buyers.
    """

    name = "refusal-counts"

    def __init__(self, counter: RefusalCounter) -> None:
        super().__init__()
        self._counter = counter

    def work(self) -> float:
        """Store what was counted, in one statement. On an error it is kept for the next time, and logged once."""
        counts = self._counter.take()
        if counts:
            try:
                stored.add(counts)
                self._is_failing = False
            except Exception as error:
                self._counter.give_back(counts)
                if not self._is_failing:
                    log.warning("refusals could not be stored, and are kept for the next time: %s", error)
                self._is_failing = True
        return WRITE_SECONDS

    def finish(self) -> None:
        self.work()


writer = RefusalWriter(counter)

"""The requests that wait for a batch, their leader, and the batch that it takes from them."""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Generic

from flashsale.core import greenlets
from flashsale.core.batching.processing import Compatible, Request, Result

# The most requests of one batch.
MAX_BATCH = 64


class Waiter(Generic[Request, Result]):
    """One request in a queue; its greenlet or thread waits until `wake` is called."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.leads = False
        self.result: Result | Exception | None = None
        # The event loop whose worker threads process a batch for this leader; None: its own thread does.
        self.loop = greenlets.current()
        self._woken = greenlets.new_event()

    def wake(self) -> None:
        """Wake it; a second call before it runs has no effect."""
        self._woken.set()

    def wait(self, seconds: float) -> bool:
        """Wait to be woken; returns False when `seconds` passed."""
        return self._woken.wait(seconds)


class Queue(Generic[Request, Result]):
    """The waiting requests of one key, and its leader since `led_since` (monotonic seconds)."""

    def __init__(self) -> None:
        self.waiting: deque[Waiter[Request, Result]] = deque()
        self.leader: Waiter[Request, Result] | None = None
        self.led_since = 0.0


class Batch(Generic[Request, Result]):
    """The requests that one leader processes, in order."""

    def __init__(
        self, queue: Queue[Request, Result], mutex: threading.Lock, admissible: Callable[[Request], bool]
    ) -> None:
        self.waiters: list[Waiter[Request, Result]] = []
        self._queue = queue
        self._mutex = mutex
        self._admissible = admissible
        self._taken = 0

    @property
    def requests(self) -> list[Request]:
        """All requests of the batch, the admitted ones last."""
        return [waiter.request for waiter in self.waiters]

    def take_waiting(self, compatible: Compatible[Request]) -> None:
        """Take the waiting requests that are compatible with those taken before; the others keep their places."""
        with self._mutex:
            waiting = self._queue.waiting
            for _ in range(len(waiting)):
                waiter = waiting.popleft()
                if len(self.waiters) < MAX_BATCH and compatible(waiter.request, self.requests):
                    self.waiters.append(waiter)
                else:
                    waiting.append(waiter)
            self._taken = len(self.waiters)

    def admit(self) -> list[Request]:
        """Add waiting requests, up to the first that is not admissible: no request overtakes another (see `Admit`)."""
        with self._mutex:
            waiting = self._queue.waiting
            while waiting and len(self.waiters) < MAX_BATCH and self._admissible(waiting[0].request):
                self.waiters.append(waiting.popleft())
        return self.requests[self._taken :]


def appoint_first(queue: Queue[Request, Result]) -> Waiter[Request, Result]:
    first = queue.waiting[0]
    first.leads, queue.leader, queue.led_since = True, first, time.monotonic()
    return first

"""At most so many requests a second for each endpoint.

Source: https://docs.stripe.com/rate-limits.
"""

import threading
import time
from collections import defaultdict, deque

from flashsale.local_provider.api.errors import INVALID_REQUEST, ApiError

REQUESTS_PER_SECOND = 25
WINDOW_SECONDS = 1.0


class RateLimiter:
    """Counts the requests of each endpoint in a sliding window."""

    def __init__(self, *, requests_per_second: int = REQUESTS_PER_SECOND) -> None:
        self._limit = requests_per_second
        self._lock = threading.Lock()
        self._times: defaultdict[str, deque[float]] = defaultdict(deque)
        self._frozen_at: float | None = None

    def freeze(self) -> None:
        """Stop the clock and begin to count anew, so that no request leaves the window."""
        with self._lock:
            self._times.clear()
            self._frozen_at = time.monotonic()

    def check(self, endpoint: str) -> None:
        """Count a request; raises `ApiError` when the endpoint had its requests within the last second."""
        now = self._frozen_at or time.monotonic()
        with self._lock:
            times = self._times[endpoint]
            while times and times[0] <= now - WINDOW_SECONDS:
                times.popleft()
            if len(times) >= self._limit:
                raise ApiError(429, INVALID_REQUEST, "Request rate limit exceeded.", is_saved=False, code="rate_limit")
            times.append(now)

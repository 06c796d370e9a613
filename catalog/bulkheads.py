"""Limits the threads of a process that wait for locked stock."""

from flashsale.core.capacity import shares
from flashsale.core.capacity.bulkheads import Bulkhead

# A thread that waits for a locked stock row occupies a connection: the rest of the pool is kept for other requests.
stock_locks = Bulkhead(shares.stock_locks, waiting=shares.lock_waiters, wait_seconds=shares.LOCK_WAIT_SECONDS)

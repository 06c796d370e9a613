"""How many threads of a process may wait for rows of checkout."""

from flashsale.core.capacity import shares
from flashsale.core.capacity.bulkheads import Bulkhead

# Waiting for a locked stock row takes a connection: the rest of the pool is left for other requests.
stock_locks = Bulkhead(shares.stock_locks, waiting=shares.lock_waiters, wait_seconds=shares.LOCK_WAIT_SECONDS)

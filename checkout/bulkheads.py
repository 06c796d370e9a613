"""Limits the threads of a process that count very many rows of checkout."""

from flashsale.core.capacity import shares
from flashsale.core.capacity.bulkheads import Bulkhead

# Counting a sale takes up to some seconds: only a few at once, and few wait, because each occupies a thread meanwhile.
statistics_queries = Bulkhead(shares.statistics, waiting=shares.statistics, wait_seconds=shares.LOCK_WAIT_SECONDS)

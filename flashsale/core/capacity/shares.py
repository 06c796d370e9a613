"""How one web process shares its threads and connections among kinds of requests.

No kind of request that waits for a row, or that floods the process, may take them all; what the shares leave is for
product pages and polled orders. Clients' connections are spread unevenly over processes: each share suffices for all of
64 clients in one process, and those of orders and webhooks for half of 300 buyers who order, and pay, at the same time.
"""

from django.conf import settings

from flashsale.core.greenlets import WORKER_THREADS

LOCK_WAIT_SECONDS = 1.0
# Longer than for stock: a payment that gets no turn in time is applied later, by the worker.
PAYMENT_WAIT_SECONDS = 3.0


def holds() -> int:
    """Return how many requests for holds may be inside at once."""
    return settings.MAX_CONCURRENT_HOLDS


def orders() -> int:
    """Return how many requests for orders may be inside at once."""
    return max(1, settings.WEB_REQUESTS * 3 // 16)


def deliveries() -> int:
    """Return how many webhooks may be stored and decided at once."""
    return max(1, settings.WEB_REQUESTS * 3 // 16)


def provider_requests() -> int:
    """Return how many requests may wait for a payment provider at once: a quarter of the threads.

    Those that wait for locked stock besides, as many as the pool has connections for, are not counted.
    """
    return max(1, (WORKER_THREADS + lock_waiters()) // 4)


def penalized_requests() -> int:
    """Return how many requests of addresses over a limit of failures may wait, to be processed one at a time."""
    return max(1, settings.WEB_REQUESTS // 16)


def lock_waiters() -> int:
    """Return how many requests may queue for one of the connections that wait for locked rows."""
    return max(1, settings.WEB_REQUESTS // 16)


def stock_locks() -> int:
    """Return how many connections may wait for locked stock, to hold units or give them back."""
    return _of_pool(2)


def payment_locks() -> int:
    """Return how many connections may wait for locked rows to apply payments."""
    return _of_pool(3)


def statistics() -> int:
    """Return how many connections may count the rows of a sale at once."""
    return _of_pool(6)


def worker_threads() -> int:
    """Return how many threads may block: besides all that may wait for locked stock, as many as other requests need."""
    return WORKER_THREADS + stock_locks() + lock_waiters()


def _of_pool(part: int) -> int:
    """Without a pool each thread has a connection of its own."""
    pool = settings.DATABASE_POOL_MAX
    return max(1, pool // part) if pool else settings.WEB_REQUESTS

"""Leader-follower batching, known as group commit: concurrent requests of one process share one transaction.

The first request for a key becomes the leader of that key's queue and is processed at once. Requests for the same key
that arrive meanwhile wait in the queue. When the leader is done, the first waiting request becomes the next leader: it
processes all waiting requests together, in their order, and wakes each with a result or an exception of its own. A
leader that is a thread does so itself. For a leader that is a greenlet (see `flashsale.core.greenlets`) a worker thread
does, and goes on with the next leader as long as requests wait. In a busy process such a leader first waits a moment
for more requests, as PostgreSQL does with `commit_delay` and `commit_siblings`. Several leaders of one key may run at
once, in other processes or after a slow leader was replaced: batches exclude each other by locks in the database only.

Source of the idea: https://www.postgresql.org/docs/current/runtime-config-wal.html#GUC-COMMIT-DELAY
"""

from flashsale.core.batching.batcher import Batcher
from flashsale.core.batching.processing import Admit, is_fault, is_fault_or_lock_timeout, process_or_isolate
from flashsale.core.batching.queues import Batch

__all__ = ["Admit", "Batch", "Batcher", "is_fault", "is_fault_or_lock_timeout", "process_or_isolate"]

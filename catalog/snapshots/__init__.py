"""Snapshots: each product's answer as of the last commit, in this process's memory and in Valkey/Redis.

PostgreSQL is authoritative: what is missing, outdated or unreadable here is read from there. Three places are asked
in turn:

1. `local`: copies in the memory of each web process. Commits of this process update them before they are answered,
   commits of other processes through Valkey's pub/sub (`pushes`), a few milliseconds later. They are used only while
   the subscription is live, and at most one second from their read from PostgreSQL.
2. `stored`: the write-through cache in Valkey, which all processes share, with the same limit of one second.
3. PostgreSQL: `catalog.snapshot_refresh` reads a product and stores its answer in both.

Each answer carries the version of its stock row and is never replaced by one of an older version.
"""

from catalog.snapshots.answers import STOCK_DRIVEN_STATUSES, Snapshot
from catalog.snapshots.changes import ReadStart, get_copy, invalidate, look_up, start_read, store, write_through
from catalog.snapshots.pushes import subscription
from catalog.snapshots.stored import RedisUnavailable, is_reachable

__all__ = [
    "STOCK_DRIVEN_STATUSES",
    "ReadStart",
    "RedisUnavailable",
    "Snapshot",
    "get_copy",
    "invalidate",
    "is_reachable",
    "look_up",
    "start_read",
    "store",
    "subscription",
    "write_through",
]

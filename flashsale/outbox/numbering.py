"""Gives committed events their numbers, by which readers know how far they have read.

Numbers given inside the transactions of the changes would not be committed in their order: a reader that has seen 7
would never see a 6 that is committed later. One numberer at a time, under an advisory lock, numbers what is committed.
It waits for no other transaction; what commits later gets a higher number. Each read of the feed numbers first.

After the promotion of a standby or a restore, events may be missing that were read before. Their numbers are not given
again: when the server is another one, or has another timeline, the numbers jump ahead by `JUMP`.
"""

from collections.abc import Callable, Sequence
from operator import itemgetter

from flashsale.core import advisory_locks, rows
from flashsale.core.statements import Query, Statement, fetch
from flashsale.core.transactions import defer_to_commit, retrying_transaction
from flashsale.outbox import envelopes
from flashsale.outbox.models import Event

LOCK = "outbox.numbering"
# More than the events that a backup or a standby can be behind; readers in JavaScript count to 9 * 10**15.
JUMP = 10**9
BATCH_EVENTS = 1_000

_TAKE = """
DELETE FROM outbox_recordedevent WHERE id IN (SELECT id FROM outbox_recordedevent ORDER BY id LIMIT %s)
RETURNING id, public_id, type, resource, resource_id, members, recorded_at, snapshot::text AS snapshot_text
"""
# The name of a WAL file begins with the timeline, which every promotion and every recovery to a point in time changes.
_CLUSTER = """
SELECT system_identifier || ' ' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) || ' '
    || (SELECT oid FROM pg_database WHERE datname = current_database()) AS name
FROM pg_control_system()
"""
_BEGIN = """
INSERT INTO outbox_numbering (id, last_sequence, purged_through, cluster) VALUES (1, 0, 0, '')
ON CONFLICT (id) DO NOTHING
"""
_STATE = "SELECT last_sequence, cluster FROM outbox_numbering"
_ADVANCE = "UPDATE outbox_numbering SET last_sequence = %s, cluster = %s"

# Called under the numberer's lock, before it looks for events: stores those of changes that no transaction saw.
Observer = Callable[[], None]
# Called with the events that are being numbered; returns statements that are sent after their INSERT.
Follower = Callable[[Sequence[Event]], Sequence[Statement]]

_observers: list[Observer] = []
_followers: list[Follower] = []


def register_observer(observer: Observer) -> None:
    """Let `observer` store events whenever events are numbered, in the same transaction."""
    _observers.append(observer)


def register_follower(follower: Follower) -> None:
    """Send what `follower` returns in the transaction that numbers events."""
    _followers.append(follower)


@retrying_transaction
def number(*, limit: int) -> int:
    """Number at most `limit` committed events, in the order of their ids; return how many."""
    fetch(advisory_locks.locking_query([LOCK]))
    for observe in _observers:
        observe()
    taken, cluster, state = fetch(
        Query([Statement(_TAKE, [limit])], lambda results: sorted(results[0], key=itemgetter("id"))),
        Query([Statement(_CLUSTER)], lambda results: str(results[0][0]["name"])),
        Query([Statement(_BEGIN), Statement(_STATE)], lambda results: results[1][0]),
    )
    last = state["last_sequence"] + (JUMP if state["cluster"] not in ("", cluster) else 0)
    if taken:
        _store([envelopes.event_of(row, sequence=last + place) for place, row in enumerate(taken, start=1)])
    if taken or cluster != state["cluster"]:
        defer_to_commit(Statement(_ADVANCE, [last + len(taken), cluster]))
    return len(taken)


def number_all(*, batches: int) -> None:
    """Number what is committed, in at most so many batches, each a transaction of its own."""
    for _ in range(batches):
        if number(limit=BATCH_EVENTS) < BATCH_EVENTS:
            return


def _store(events: Sequence[Event]) -> None:
    defer_to_commit(rows.insertion(events))
    for follow in _followers:
        for statement in follow(events):
            defer_to_commit(statement)

"""Gives committed events their numbers, by which readers know how far they have read.

Numbers given inside the transactions of the changes would not be committed in their order: a reader that has seen 7
would never see a 6 that is committed later. One numberer at a time, under an advisory lock, numbers what is committed.
It waits for no other transaction; what commits later gets a higher number. Each read of the feed numbers first.

After the promotion of a standby or a restore, events may be missing that were read before. Their numbers are not given
again: when the server is another one, or has another timeline, the numbers jump ahead by `JUMP`.
"""

from collections.abc import Callable, Sequence

from flashsale.core import advisory_locks, rows
from flashsale.core.statements import Query, Statement, array, fetch, send
from flashsale.core.transactions import defer_to_commit, retrying_transaction
from flashsale.outbox import envelopes
from flashsale.outbox.models import Event

LOCK = "outbox.numbering"
# More than the events that a backup or a standby can be behind; readers in JavaScript count to 9 * 10**15.
JUMP = 10**9
BATCH_EVENTS = 1_000

_UNNUMBERED = """
SELECT id, public_id, type, resource, resource_id, members, recorded_at, snapshot::text AS snapshot_text
FROM outbox_event WHERE sequence IS NULL ORDER BY id LIMIT %s
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
_STORE = """
UPDATE outbox_event AS ours SET sequence = each.sequence, body = each.body, snapshot = NULL
FROM unnest(%s::bigint[], %s::bigint[], %s::text[]) AS each (id, sequence, body) WHERE ours.id = each.id
"""
_ADVANCE = "UPDATE outbox_numbering SET last_sequence = %s, cluster = %s"

# Called under the numberer's lock, before it looks for events: stores those of changes that no transaction saw.
Observer = Callable[[], None]
# Called with the events that are being numbered; returns statements that are sent with their numbers.
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
    unnumbered, cluster, state = fetch(
        Query([Statement(_UNNUMBERED, [limit])], lambda results: results[0]),
        Query([Statement(_CLUSTER)], lambda results: str(results[0][0]["name"])),
        Query([Statement(_BEGIN), Statement(_STATE)], lambda results: results[1][0]),
    )
    last = state["last_sequence"] + (JUMP if state["cluster"] not in ("", cluster) else 0)
    events = rows.instances(Event, unnumbered)
    for sequence, event in enumerate(events, start=last + 1):
        event.sequence = sequence
    if events:
        bodies = [envelopes.render(event, row["snapshot_text"]) for event, row in zip(events, unnumbered, strict=True)]
        _store(events, bodies)
    if events or cluster != state["cluster"]:
        defer_to_commit(Statement(_ADVANCE, [last + len(events), cluster]))
    return len(events)


def number_all(*, batches: int) -> None:
    """Number what is committed, in at most so many batches, each a transaction of its own."""
    for _ in range(batches):
        if number(limit=BATCH_EVENTS) < BATCH_EVENTS:
            return


def _store(events: Sequence[Event], bodies: Sequence[str]) -> None:
    ids, sequences = array(event.pk for event in events), array(event.sequence for event in events)
    send([Statement(_STORE, [ids, sequences, array(bodies)])])
    for follow in _followers:
        for statement in follow(events):
            defer_to_commit(statement)

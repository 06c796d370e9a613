"""The feed: what was numbered after a cursor, in the order of the numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from flashsale.core import greenlets
from flashsale.core.refusals import NotFound, Refusal
from flashsale.core.statements import Query, Statement, fetch
from flashsale.core.transactions import retrying_transaction
from flashsale.outbox import numbering
from flashsale.outbox.models import Event

# What one read numbers at most before it answers; a reader of more is told that there is more.
NUMBERED_BATCHES = 5

_STATE = """
SELECT last_sequence, EXISTS (SELECT FROM outbox_recordedevent) AS is_behind FROM outbox_numbering
"""
_PURGED = "SELECT purged_through FROM outbox_numbering"
_PAGE = "SELECT sequence, body FROM outbox_event WHERE sequence > %s ORDER BY sequence LIMIT %s"
# Of each type: as constants, so that the planner knows how rare it is, and no more rows are read than are answered.
_PAGE_OF_TYPE = """
(SELECT sequence, body FROM outbox_event WHERE type = %s AND sequence > %s ORDER BY sequence LIMIT %s)
"""


class CursorExpired(Refusal):
    """The events after the cursor are not all here any more, or the cursor is not of this database."""

    code = "cursor_expired"
    title = "The cursor is too old, or newer than the newest event"

    def __init__(self, *, oldest: int, newest: int) -> None:
        super().__init__(
            f"Cursors from {oldest} to {newest} can be read: read the resources again, then go on from one of these.",
            oldest=oldest,
            newest=newest,
        )


@dataclass(frozen=True)
class Page:
    """Envelopes as JSON, the cursor to read on from, and whether there is more now."""

    bodies: list[str]
    next: int
    has_more: bool


@greenlets.offloaded
def read(*, after: int | None = None, types: Sequence[str] = (), limit: int) -> Page:
    """Number what is committed, then return the events after the cursor, of these types, or of all without any.

    Without a cursor it begins with the oldest event that is kept. Raises `CursorExpired`.
    """
    numbering.number_all(batches=NUMBERED_BATCHES)
    return _read(after, types, limit)


@retrying_transaction
def _read(after: int | None, types: Sequence[str], limit: int) -> Page:
    # In this order: what is numbered before the page is read is answered, or has a number beyond `next`; and what is
    # purged before the page is read makes the cursor too old.
    state, found, oldest = fetch(
        Query([Statement(_STATE)], lambda results: results[0][0]),
        Query([_selection(after, types, limit + 1)], lambda results: results[0]),
        Query([Statement(_PURGED)], lambda results: results[0][0]["purged_through"]),
    )
    newest = state["last_sequence"]
    if after is not None and not oldest <= after <= newest:
        raise CursorExpired(oldest=oldest, newest=newest)
    shown, has_more = found[:limit], len(found) > limit
    last = shown[-1]["sequence"] if shown else newest
    return Page(
        bodies=[row["body"] for row in shown],
        next=last if has_more else max(last, newest),
        has_more=has_more or state["is_behind"],
    )


def _selection(after: int | None, types: Sequence[str], limit: int) -> Statement:
    start = after or 0
    if not types:
        return Statement(_PAGE, [start, limit])
    of_each = [value for event_type in types for value in (event_type, start, limit)]
    sql = " UNION ALL ".join([_PAGE_OF_TYPE] * len(types))
    return Statement(f"SELECT * FROM ({sql}) AS page ORDER BY sequence LIMIT %s", [*of_each, limit])  # noqa: S608


@greenlets.offloaded
def get(public_id: UUID) -> str:
    """Return the envelope of an event as JSON. Raises `NotFound`."""
    numbering.number_all(batches=NUMBERED_BATCHES)
    body = Event.objects.filter(public_id=public_id).values_list("body", flat=True).first()
    if body is None:
        raise NotFound("There is no such event, or it is older than 30 days.")
    return body

"""Makes queues, draws them once, and moves what is served: the only writer of a queue's row besides its counters.

Any process may move a queue, one at a time, under an advisory lock. A process that dies in between changes nothing: the
line goes on by the clock, and another process moves it.
"""

import dataclasses
import json
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from catalog import overdue
from catalog.models import Product, Stock
from checkout.waiting_room import capacity, rate
from checkout.waiting_room.crowds import Crowd
from checkout.waiting_room.models import LateTickets, Queue, ServedPlace
from checkout.waiting_room.serving import COUNTED_AFTER_SECONDS, LEAD_SECONDS, ServingLine
from flashsale.core import advisory_locks
from flashsale.core.statements import Query, Row, Statement, fetch
from flashsale.core.transactions import defer_to_commit, retrying_transaction

# The most that one move adds to the time that admissions run: nothing could be bought while no process moved the queue.
MAX_SERVED_SECONDS = 5.0
# For how long places that were served are kept after their admission has ended.
KEPT_SECONDS = 60.0
MAX_LATE_ROWS = 10_000

_QUEUE = Queue._meta.db_table
_LATE = LateTickets._meta.db_table
_SERVED = ServedPlace._meta.db_table

# The seed is 64 digits of a hash over 244 random bits of PostgreSQL's; no statement and no log carries it.
_MAKE = f"""
WITH made AS MATERIALIZED (
    SELECT id, sale_starts_at > clock_timestamp() AS is_drawn_later, clock_timestamp() AS now,
        encode(sha256((gen_random_uuid()::text || gen_random_uuid()::text)::bytea), 'hex') AS seed
    FROM {Product._meta.db_table} WHERE id = %s AND queue = 'on'
)
INSERT INTO {_QUEUE} (product_id, seed, seed_hash, created_at, drawn_at, moved_at, serving, rate, turns_at, next_rate,
    served_seconds, tickets, claims, busy, controller)
SELECT id, CASE WHEN is_drawn_later THEN seed END,
    CASE WHEN is_drawn_later THEN encode(sha256(seed::bytea), 'hex') END, now,
    CASE WHEN NOT is_drawn_later THEN now END, now, CASE WHEN is_drawn_later THEN 0 ELSE 1 END, 0, now, 0,
    0, 0, 0, 0, '{{}}'
FROM made ON CONFLICT (product_id) DO NOTHING
"""  # noqa: S608  tables' names
_READ = f"""
SELECT queue.product_id, queue.drawn_at, queue.moved_at, queue.serving, queue.rate, queue.turns_at, queue.next_rate,
    queue.served_seconds, queue.tickets, queue.claims, queue.busy, queue.controller,
    product.sale_starts_at, product.sale_ends_at, product.paused_at, product.admission_rate_max,
    stock.total - stock.reserved - stock.sold AS free, clock_timestamp() AS now
FROM {_QUEUE} AS queue
JOIN {Product._meta.db_table} AS product ON product.id = queue.product_id
JOIN {Stock._meta.db_table} AS stock ON stock.product_id = queue.product_id
WHERE queue.product_id = %s AND product.queue = 'on'
FOR NO KEY UPDATE OF queue
"""  # noqa: S608  tables' names
_READ_LATE = f"""
SELECT began_at, tickets FROM {_LATE} WHERE product_id = %s AND began_at >= %s ORDER BY began_at LIMIT %s
"""  # noqa: S608  a table's name
# In force some time after it is written, however long the decision took: until then the line is the one of before.
_MOVE = f"""
UPDATE {_QUEUE} SET drawn_at = %s, moved_at = %s, serving = %s, rate = %s, next_rate = %s,
    turns_at = GREATEST(%s, clock_timestamp() + make_interval(secs => %s)), served_seconds = %s, controller = %s::jsonb
WHERE product_id = %s
"""  # noqa: S608  a table's name
_RECORD = f"INSERT INTO {_SERVED} (product_id, served_seconds, serving) VALUES (%s, %s, %s)"  # noqa: S608
_FORGET_SERVED = f"DELETE FROM {_SERVED} WHERE product_id = %s AND served_seconds < %s"  # noqa: S608
_FORGET_LATE = f"DELETE FROM {_LATE} WHERE product_id = %s AND began_at < %s"  # noqa: S608


@retrying_transaction
def move(product_id: int) -> None:
    """Make the queue of a product where there is none, draw it at the start of the sale, and move it when it is due.

    Does nothing where another process is doing so, or the product has no queue.
    """
    [is_locked] = fetch(advisory_locks.try_locking_query(f"queue:{product_id}"))
    if is_locked:
        _, queues = fetch(
            Query([Statement(_MAKE, [product_id])], lambda _: None),
            Query([Statement(_READ, [product_id])], lambda results: results[0]),
        )
        for row in queues:
            _move(row)


def _move(row: Row) -> None:
    now, line = row["now"], _line_of(row)
    is_started = row["sale_starts_at"] is not None and now >= row["sale_starts_at"]
    is_over = row["sale_ends_at"] is not None and now >= row["sale_ends_at"]
    is_stopped = row["paused_at"] is not None or is_over or not is_started
    if line is None and is_started:
        _store(row, *_decided(row, _drawn(now), now=now, leads_by=0.0, is_stopped=is_stopped), leads_by=0.0)
    elif line is not None and line.may_turn_at(now):
        decided = _decided(row, line, now=now, leads_by=LEAD_SECONDS, is_stopped=is_stopped)
        _store(row, *decided, leads_by=LEAD_SECONDS)


def _drawn(now: datetime) -> ServingLine:
    """Return the line of a queue that is drawn now."""
    return ServingLine(drawn_at=now, moved_at=now, serving=0.0, rate=0.0, turns_at=now, next_rate=0.0)


def _decided(
    row: Row, line: ServingLine, *, now: datetime, leads_by: float, is_stopped: bool
) -> tuple[ServingLine, dict[str, Any], float]:
    """Return the line from now on, the controller's state, and for how long the queue has been serving."""
    # Connections of Django read jsonb as text.
    controller = json.loads(row["controller"])
    seconds = max((now - line.moved_at).total_seconds(), 0.0)
    crowd = _crowd(row, line, now=now)
    serving = line.at(now)
    decision = rate.decide(
        rate.State.of(controller.get("state", {})),
        rate.Observed(
            seconds=seconds or LEAD_SECONDS,
            admitted=crowd.between(line.at(line.moved_at), serving),
            claims=max(0, row["claims"] - controller.get("claims", 0)),
            busy=max(0, row["busy"] - controller.get("busy", 0)),
            available=max(0, row["free"]) + overdue.count(row["product_id"], at=now),
            rate_max=row["admission_rate_max"],
            payments=capacity.payments_per_second(),
            is_paused=is_stopped,
        ),
    )
    turns_at = now + timedelta(seconds=leads_by)
    next_rate = _rate_from(line.at(turns_at), crowd, tickets_per_second=decision.tickets_per_second)
    moved = line.turning(decided_at=now, turns_at=turns_at, next_rate=next_rate)
    known = {
        "state": decision.state.members(), "claims": row["claims"], "busy": row["busy"],
        "tickets_per_second": decision.tickets_per_second, "buyers_per_second": decision.buyers_per_second,
        "show_up": decision.show_up, "limited_by": str(decision.limited_by),
    }  # fmt: skip
    return moved, known, row["served_seconds"] + (0.0 if is_stopped else min(seconds, MAX_SERVED_SECONDS))


def _rate_from(place: float, crowd: Crowd, *, tickets_per_second: float) -> float:
    """Return by how many places a second a queue grows from `place` on, to serve so many tickets a second."""
    return crowd.place_after(place, tickets_per_second) - place if tickets_per_second > 0 else 0.0


def _crowd(row: Row, line: ServingLine, *, now: datetime) -> Crowd:
    """Return where the tickets from the place of the last move on stand."""
    since = line.drawn_at + timedelta(seconds=max(0.0, line.at(line.moved_at) - 1.0) - 1.0)
    [late] = fetch(
        Query([Statement(_READ_LATE, [row["product_id"], since, MAX_LATE_ROWS])], lambda results: results[0])
    )
    return Crowd(
        drawn=row["tickets"],
        late=[((second["began_at"] - line.drawn_at).total_seconds(), second["tickets"]) for second in late],
        counted_seconds=max(0.0, (now - line.drawn_at).total_seconds() - COUNTED_AFTER_SECONDS),
    )


def _store(row: Row, line: ServingLine, controller: dict[str, Any], served_seconds: float, *, leads_by: float) -> None:
    """Write the line with the COMMIT, and forget what no gate needs any more."""
    product_id, serving = row["product_id"], line.at(line.moved_at)
    values = dataclasses.asdict(line)
    columns = [values[name] for name in ("drawn_at", "moved_at", "serving", "rate", "next_rate", "turns_at")]
    ended = served_seconds - settings.ADMISSION_SECONDS - KEPT_SECONDS
    all_served = line.drawn_at + timedelta(seconds=max(0.0, serving - 1.0) - KEPT_SECONDS)
    for statement in (
        Statement(_MOVE, [*columns, leads_by, served_seconds, json.dumps(controller), product_id]),
        Statement(_RECORD, [product_id, served_seconds, serving]),
        Statement(_FORGET_SERVED, [product_id, ended]),
        Statement(_FORGET_LATE, [product_id, all_served]),
    ):
        defer_to_commit(statement)


def _line_of(row: Row) -> ServingLine | None:
    if row["drawn_at"] is None:
        return None
    names = (field.name for field in dataclasses.fields(ServingLine))
    return ServingLine(**{name: row[name] for name in names})

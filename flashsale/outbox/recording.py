"""Stores events in the transaction of their change: rolled back with it, and there as soon as it is committed."""

import functools
import json
from collections.abc import Collection
from typing import Any

from django.db import connection

from flashsale.core.statements import Statement, array, send
from flashsale.core.transactions import defer_to_commit
from flashsale.outbox import resources
from flashsale.outbox.kinds import EventType


def record(event_type: EventType, resource: str, ids: Collection[object], **members: Any) -> None:
    """Store an event of each of these rows with the COMMIT of the open `retrying_transaction`, as the rows are then.

    The transaction has locked or created the rows. `members` are added to what the resource's GET answers.
    """
    if ids:
        defer_to_commit(_insertion(event_type, resource, ids, members))


def record_now(event_type: EventType, resource: str, ids: Collection[object], **members: Any) -> None:
    """Do what `record` does at once, for rows that the same transaction changes again."""
    if ids:
        send([_insertion(event_type, resource, ids, members)])


def record_where(
    event_type: EventType, resource: str, ids: Collection[object], condition: str, **members: Any
) -> list[str]:
    """Do what `record_now` does for the rows that meet an SQL condition on the columns of `ours`; return their ids."""
    every = _insertion(event_type, resource, ids, members)
    [stored] = send([Statement(f"{every.sql} AND {condition} RETURNING resource_id", every.params)])
    return [row["resource_id"] for row in stored]


def _insertion(event_type: EventType, resource: str, ids: Collection[object], members: dict[str, Any]) -> Statement:
    sql, params = _insertion_sql(resource)
    return Statement(sql, [event_type.value, resource, json.dumps(members), *params, array(ids)])


@functools.cache
def _insertion_sql(resource: str) -> tuple[str, tuple[Any, ...]]:
    """Return the INSERT of a resource's events and the parameters of its query: Django compiles it once."""
    rows = resources.get(resource).rows().order_by()
    selection, params = rows.query.sql_with_params()
    key = rows.model._meta.pk.rel_db_type(connection)
    sql = (
        "INSERT INTO outbox_recordedevent (type, resource, members, resource_id, snapshot, recorded_at)"  # noqa: S608  own names
        " SELECT %s, %s, %s::jsonb, ours.id, to_jsonb(ours), clock_timestamp()"
        f" FROM ({selection}) AS ours WHERE ours.id = ANY(%s::{key}[])"
    )
    return sql, tuple(params)

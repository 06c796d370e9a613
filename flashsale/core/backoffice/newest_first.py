"""Lists, newest first, in pages: a cursor is the place of the last row that was read, so that new rows move nothing."""

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import Model, Q, QuerySet, UUIDField
from django.http import HttpResponse
from rest_framework.request import Request

from flashsale.core import identifiers
from flashsale.core.backoffice import parameters
from flashsale.core.backoffice.parameters import Parameter
from flashsale.core.refusals import InvalidRequest
from flashsale.core.rest.views import json_response

DEFAULT_ROWS, MAX_ROWS = 50, 100
LIMIT, CURSOR = "limit", "cursor"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PLACE = re.compile(r"([0-9]{1,17})\.([0-9a-f-]{1,36})", re.ASCII)
_MAX_MICROSECONDS = (datetime(2999, 12, 31, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)

Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True)
class Place:
    """Where a row stands in a list: its time, and its id among the rows of that time."""

    at: datetime
    row_id: int | UUID

    def encode(self) -> str:
        """Return the cursor of this place."""
        microseconds = (self.at - _EPOCH) // timedelta(microseconds=1)
        return base64.urlsafe_b64encode(f"{microseconds}.{self.row_id}".encode()).decode().rstrip("=")


def decode(cursor: str) -> Place | None:
    """Return the place that a cursor names; None for text that is no cursor of this API."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        match = _PLACE.fullmatch(base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii"))
    except (binascii.Error, UnicodeError):
        return None
    if match is None or int(match[1]) > _MAX_MICROSECONDS:
        return None
    row_id = identifiers.parse_id(match[2]) or identifiers.parse_uuid(match[2])
    place = None if row_id is None else Place(_EPOCH + timedelta(microseconds=int(match[1])), row_id)
    return place if place is not None and place.encode() == cursor else None


PARAMETERS: parameters.Parameters = {
    LIMIT: parameters.integer(f"Rows a page; {DEFAULT_ROWS} by default.", most=MAX_ROWS),
    CURSOR: Parameter(
        meaning="From `next` of the page before.",
        schema={"type": "string"},
        parse=decode,
        expected="a cursor that this API made",
        error_code="invalid_cursor",
    ),
}


def page(
    request: Request,
    query: dict[str, Any],
    *branches: QuerySet[Row],
    render: Callable[[Sequence[Row]], list[dict[str, Any]]],
    time: str = "created_at",
) -> HttpResponse:
    """Answer a page: `{"next", "previous", "results"}`, as the lists of the storefront; `previous` is always null.

    `query` has the values of `PARAMETERS`. The rows are those of all `branches`, which have none in common: querysets
    that each can read its newest rows by an index, which one with an OR could not. `time` is the column of their time,
    which never changes; `render` makes the results of the page's rows. Raises `InvalidRequest` for a cursor of a list
    with ids of another kind.
    """
    limit: int = query.get(LIMIT, DEFAULT_ROWS)
    place: Place | None = query.get(CURSOR)
    _check_kind(place, branches[0].model)
    read: list[Row] = [row for branch in branches for row in newest(branch, place, time=time)[: limit + 1]]
    read.sort(key=lambda row: (getattr(row, time), row.pk), reverse=True)
    rows = read[:limit]
    following = Place(getattr(rows[-1], time), rows[-1].pk).encode() if len(read) > limit else None
    data = {"next": following and _url_of(request, following), "previous": None, "results": render(rows)}
    return json_response(data)


def _check_kind(place: Place | None, model: type[Model]) -> None:
    """Raise `InvalidRequest` where a cursor names a row by an id of another kind than the model's."""
    has_uuids = isinstance(model._meta.pk, UUIDField)
    if place is not None and isinstance(place.row_id, UUID) is not has_uuids:
        cursor = PARAMETERS[CURSOR]
        raise InvalidRequest(
            f"This must be {cursor.expected}.", pointer=f"#query/{CURSOR}", error_code=cursor.error_code
        )


def newest(rows: QuerySet[Row], place: Place | None = None, *, time: str = "created_at") -> QuerySet[Row]:
    """Return the rows behind a place in the list, newest first; all without one."""
    ordered = rows.order_by(f"-{time}", "-pk")
    if place is None:
        return ordered
    # The first condition is implied by the second one, and is one that an index on the time alone serves.
    behind = Q(**{f"{time}__lt": place.at}) | Q(**{time: place.at, "pk__lt": place.row_id})
    return ordered.filter(**{f"{time}__lte": place.at}).filter(behind)


def _url_of(request: Request, cursor: str) -> str:
    query = request._request.GET.copy()
    query[CURSOR] = cursor
    return request.build_absolute_uri(f"{request._request.path}?{query.urlencode()}")

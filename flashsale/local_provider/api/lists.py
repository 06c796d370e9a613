"""Lists of objects, newest first, by pages.

Source: https://docs.stripe.com/api/pagination.
"""

import operator
from collections.abc import Callable, Iterable
from typing import Any

from flashsale.local_provider.api import parameters
from flashsale.local_provider.api.errors import missing
from flashsale.local_provider.provider import Request
from flashsale.local_provider.storage import Thing, shown

DEFAULT_LIMIT = 10
MAX_LIMIT = 100
OPERATORS: dict[str, Callable[[int, int], bool]] = {
    "gte": operator.ge, "gt": operator.gt, "lte": operator.le, "lt": operator.lt,
}  # fmt: skip
PARAMETERS = frozenset({"created", "limit", "starting_after"})


def page(request: Request, things: Iterable[Thing], *, what: str) -> dict[str, Any]:
    """Return a page of `things`, which are ordered newest first; raises `ApiError`."""
    limit_text = request.params.get("limit", str(DEFAULT_LIMIT))
    limit = parameters.whole(limit_text, name="limit", least=1, most=MAX_LIMIT)
    bounds = parameters.times(request.params)
    ordered = _after(request, list(things), what=what)
    found = [one for one in ordered if all(OPERATORS[sign](one["created"], at) for sign, at in bounds.items())]
    data = [shown(one) for one in found[:limit]]
    return {"object": "list", "url": request.path, "has_more": len(found) > limit, "data": data}


def _after(request: Request, things: list[Thing], *, what: str) -> list[Thing]:
    last = request.params.get("starting_after")
    if last is None:
        return things
    for number, one in enumerate(things):
        if one["id"] == last:
            return things[number + 1 :]
    raise missing(what, str(last), param="starting_after", status=400)

"""Lists of Stripe's API, read page by page, the newest first.

Source: https://docs.stripe.com/api/pagination.
"""

import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from payments.providers.stripe.api import EVENTS, INTENTS, SESSIONS, Json, RequestFailed, ask

PAGE_ITEMS = 100
MAX_PAGES = 1_000
PAGE_SECONDS = 20
# As far as Stripe's clock and ours may differ.
CLOCK_DIFFERENCE = timedelta(minutes=5)


def at_once() -> None:
    """Wait for nothing before a page."""


def events(types: list[str], *, since: datetime, before_page: Callable[[], None] = at_once) -> Iterator[Json]:
    """Yield the events of these types, 20 at most, since a time by Stripe's clock. Raises as `ask`.

    `before_page` is called before each request.
    """
    params = {"types": types, "created": {"gte": int(since.timestamp())}}
    return _items(EVENTS, params, before_page=before_page)


def intents(
    *,
    since: datetime,
    until: datetime | None = None,
    ends_at: float | None = None,
    before_page: Callable[[], None] = at_once,
) -> Iterator[Json]:
    """Yield the payment intents that were made between two times by our clock. Raises as `ask`.

    `before_page` is called before each request.
    """
    return _items(INTENTS, _made(since, until), ends_at, before_page=before_page)


def sessions(*, since: datetime, until: datetime | None = None, ends_at: float | None = None) -> Iterator[Json]:
    """Yield the checkout sessions that were made between two times by our clock. Raises as `ask`."""
    return _items(SESSIONS, _made(since, until), ends_at)


def _made(since: datetime, until: datetime | None) -> dict[str, Any]:
    bounds = {"gte": int((since - CLOCK_DIFFERENCE).timestamp())}
    if until is not None:
        bounds["lte"] = int((until + CLOCK_DIFFERENCE).timestamp())
    return {"created": bounds}


def _items(
    path: str,
    params: dict[str, Any],
    ends_at: float | None = None,
    *,
    before_page: Callable[[], None] = at_once,
) -> Iterator[Json]:
    """Yield what all pages hold, until `ends_at` where that is given. Raises as `ask` and `before_page`."""
    for _ in range(MAX_PAGES):
        before_page()
        seconds = PAGE_SECONDS if ends_at is None else ends_at - time.monotonic()
        if seconds <= 0:
            raise RequestFailed("Stripe's list takes too long.")
        data, has_more = _page_in(ask("get", path, {"limit": PAGE_ITEMS} | params, seconds=seconds))
        yield from data
        if not has_more:
            return
        params = params | {"starting_after": data[-1]["id"]}
    raise RequestFailed(f"Stripe's list has more than {MAX_PAGES * PAGE_ITEMS} items.")


def _page_in(content: Json) -> tuple[list[Json], bool]:
    """Return the items of a page, and whether another one follows; raises `RequestFailed`."""
    data: Any = content.get("data")
    has_more = content.get("has_more")
    is_list = isinstance(data, list) and all(isinstance(one, dict) and isinstance(one.get("id"), str) for one in data)
    if not is_list or type(has_more) is not bool or (has_more and not data):
        raise RequestFailed("Stripe's list cannot be read.")
    return data, has_more

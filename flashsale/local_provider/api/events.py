"""Events of the last 30 days.

Source: https://docs.stripe.com/api/events.
"""

from typing import Any

from flashsale.local_provider.api import lists
from flashsale.local_provider.api.errors import missing
from flashsale.local_provider.provider import Provider, Request
from flashsale.local_provider.storage import EVENT_SECONDS, Thing

LIST_PARAMETERS = lists.PARAMETERS | {"type", "types"}


def retrieve(provider: Provider, request: Request) -> Thing:
    """Return one event; raises `ApiError`."""
    event = provider.storage.events.get(request.object_id)
    if event is None or event["created"] <= provider.now() - EVENT_SECONDS:
        raise missing("event", request.object_id)
    return event


def list_page(provider: Provider, request: Request) -> dict[str, Any]:
    """Return a page of events, of some types only when these are given; raises `ApiError`."""
    types = request.params.get("types")
    wanted = types if isinstance(types, list) else [request.params["type"]] if "type" in request.params else []
    oldest = provider.now() - EVENT_SECONDS
    recent = [one for one in provider.storage.events.values() if one["created"] > oldest]
    recent.reverse()
    # Stable: of events of the same second the later one stays first.
    recent.sort(key=lambda one: one["created"], reverse=True)
    return lists.page(request, [one for one in recent if not wanted or one["type"] in wanted], what="event")

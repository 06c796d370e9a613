"""The endpoints: method, path, the parameters that each knows, and the function that answers."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from flashsale.local_provider.api import events, intents, refunds, sessions
from flashsale.local_provider.api.errors import INVALID_REQUEST, ApiError
from flashsale.local_provider.provider import Provider, Request

NOTHING: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Route:
    """An endpoint; `is_public`: pages of buyers may use it, with the publishable key."""

    method: str
    path: str
    answer: Callable[[Provider, Request], dict[str, Any]]
    parameters: frozenset[str] = NOTHING
    is_public: bool = False

    @property
    def name(self) -> str:
        """Return the endpoint's name, such as `POST /v1/payment_intents/{id}/confirm`."""
        return f"{self.method} {self.path}"


INTENTS, SESSIONS, REFUNDS, EVENTS = "/v1/payment_intents", "/v1/checkout/sessions", "/v1/refunds", "/v1/events"
ROUTES = (
    Route("POST", INTENTS, intents.create, intents.CREATE_PARAMETERS),
    Route("GET", INTENTS, intents.list_page, intents.LIST_PARAMETERS),
    Route("GET", f"{INTENTS}/{{id}}", intents.retrieve, intents.RETRIEVE_PARAMETERS, is_public=True),
    Route("POST", f"{INTENTS}/{{id}}/confirm", intents.confirm, intents.CONFIRM_PARAMETERS, is_public=True),
    Route("POST", f"{INTENTS}/{{id}}/cancel", intents.cancel, intents.CANCEL_PARAMETERS),
    Route("POST", SESSIONS, sessions.create, sessions.CREATE_PARAMETERS),
    Route("GET", SESSIONS, sessions.list_page, sessions.LIST_PARAMETERS),
    Route("GET", f"{SESSIONS}/{{id}}", sessions.retrieve),
    Route("POST", f"{SESSIONS}/{{id}}/expire", sessions.expire),
    Route("POST", REFUNDS, refunds.create, refunds.CREATE_PARAMETERS),
    Route("GET", REFUNDS, refunds.list_page, refunds.LIST_PARAMETERS),
    Route("GET", f"{REFUNDS}/{{id}}", refunds.retrieve),
    Route("GET", EVENTS, events.list_page, events.LIST_PARAMETERS),
    Route("GET", f"{EVENTS}/{{id}}", events.retrieve),
)
ENDPOINTS = frozenset(route.name for route in ROUTES)
_PATTERNS = [(re.compile(route.path.replace("{id}", r"(?P<id>\w+)"), re.ASCII), route) for route in ROUTES]


def find(request: Request) -> tuple[Route, Request]:
    """Return the endpoint of a request, and the request with the id in its path. Raises `ApiError`."""
    for pattern, route in _PATTERNS:
        if route.method == request.method and (match := pattern.fullmatch(request.path)):
            return route, replace(request, object_id=match.groupdict().get("id", ""))
    message = f"Unrecognized request URL ({request.method}: {request.path})."
    raise ApiError(404, INVALID_REQUEST, message, is_saved=False)

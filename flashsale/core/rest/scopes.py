"""What an API token may do. A token without explicit scopes has `DEFAULT`.

Each view of the API declares by action which scope it needs: `required_scopes`, with None for a view without actions.
A view of the storefront answers callers without a token, too; the back office's answer tokens only.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from flashsale.core.refusals import Refusal

STOREFRONT = "storefront"
PAYMENTS_CLAIM = "payments:claim"
ORDERS_READ = "orders:read"
ORDERS_WRITE = "orders:write"
PRODUCTS_READ = "products:read"
PRODUCTS_WRITE = "products:write"
STOCK_WRITE = "stock:write"
PAYMENTS_READ = "payments:read"
REFUNDS_WRITE = "refunds:write"
EVENTS_READ = "events:read"
WEBHOOKS_WRITE = "webhooks:write"
STATS_READ = "stats:read"
# What a view needs that every token may use.
ANY = ""

MEANINGS = {
    STOREFRONT: "products, holds and orders, as every caller of a public shop has them",
    PAYMENTS_CLAIM: "the payment ids it places orders with are proved, so that they pay these orders",
    ORDERS_READ: "list and read all orders",
    ORDERS_WRITE: "cancel orders",
    PRODUCTS_READ: "list and read all products, also unpublished ones",
    PRODUCTS_WRITE: "add, change, publish, withdraw, pause and resume products",
    STOCK_WRITE: "adjust the stock of products",
    PAYMENTS_READ: "list and read all payments",
    REFUNDS_WRITE: "ask for refunds of paid orders",
    EVENTS_READ: "read the feed of events, and what was delivered to webhook endpoints",
    WEBHOOKS_WRITE: "manage webhook endpoints",
    STATS_READ: "read the statistics of products",
}
DEFAULT = frozenset({STOREFRONT})


class ApiToken(Protocol):
    """What views may know of the token of a request (`request.auth`)."""

    name: str
    prefix: str

    @property
    def scopes(self) -> frozenset[str]:
        """What the token may do."""


class ScopeMissing(Refusal):
    code = "scope_missing"
    title = "The API token lacks a scope"

    def __init__(self, scope: str) -> None:
        super().__init__(f"The API token lacks the scope {scope}.", scope=scope)


def check(token: ApiToken, view: Any) -> None:
    """Raise `ScopeMissing` unless the token may do what the request asks of the view.

    A request whose method the view does not have needs none: it is refused for that. Raises `LookupError` for an action
    without a declared scope.
    """
    action = getattr(view, "action", None)
    declared: Mapping[str | None, str] = view.required_scopes
    if action is None and None not in declared:
        return
    scope = declared[action]
    if scope != ANY and scope not in token.scopes:
        raise ScopeMissing(scope)

"""What an API token may do. A token without explicit scopes has `DEFAULT`.

A view that declares no other scope needs `STOREFRONT`.
"""

from typing import Protocol

STOREFRONT = "storefront"
PAYMENTS_CLAIM = "payments:claim"

MEANINGS = {
    STOREFRONT: "products, holds and orders, as every caller of a public shop has them",
    PAYMENTS_CLAIM: "the payment ids it places orders with are proved, so that they pay these orders",
}
DEFAULT = frozenset({STOREFRONT})


class ApiToken(Protocol):
    """What views may know of the token of a request (`request.auth`)."""

    prefix: str

    @property
    def scopes(self) -> frozenset[str]:
        """What the token may do."""

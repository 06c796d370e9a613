"""API tokens, and the header that carries one."""

from rest_framework_api_key.models import APIKey


def make_token(**columns) -> str:
    """Return a new API token, as its consumer would be given it."""
    return APIKey.objects.create_key(**{"name": "storefront"} | columns)[1]


def bearer(token: str) -> dict[str, str]:
    """Return the header that authenticates a request with this token."""
    return {"Authorization": f"Bearer {token}"}

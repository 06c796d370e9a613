"""A client of the back office API, with a token of its own and a new Idempotency-Key for each POST."""

import uuid
from typing import Any

from rest_framework.test import APIClient

from flashsale.api import authentication
from flashsale.core.rest import scopes

BASE = "/api/v1/backoffice"


class BackofficeClient:
    """Sends requests with an API token; answers are those of DRF's test client."""

    def __init__(self, *scope_names: str, name: str = "ERP") -> None:
        """Make a token of this name with these scopes, by default with all."""
        self.token = authentication.create_token(name=name, scope_names=scope_names or scopes.MEANINGS)
        self._api = APIClient(raise_request_exception=False)

    def get(self, path: str, query: dict[str, Any] | None = None) -> Any:
        """GET a path below the base, or an absolute URL."""
        return self._send("GET", path, query)

    def post(self, path: str, body: Any = None, *, key: str | None = "", **headers: str) -> Any:
        """POST to a path below the base, with a new key; with `key`, or without one when it is None."""
        keys = {} if key is None else {"Idempotency-Key": key or new_key()}
        return self._send("POST", path, {} if body is None else body, **keys, **headers)

    def patch(self, path: str, body: Any, **headers: str) -> Any:
        """PATCH a path below the base."""
        return self._send("PATCH", path, body, **headers)

    def delete(self, path: str) -> Any:
        """DELETE a path below the base."""
        return self._send("DELETE", path, None)

    def _send(self, method: str, path: str, data: Any, **headers: str) -> Any:
        url = path if path.startswith(("http", "/api")) else f"{BASE}{path}"
        send = getattr(self._api, method.lower())
        return send(url, data, headers={"Authorization": f"Bearer {self.token}", **headers})


def new_key() -> str:
    """Return an Idempotency-Key that no other request has."""
    return uuid.uuid4().hex

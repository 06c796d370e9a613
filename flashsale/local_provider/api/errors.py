"""Errors in Stripe's shape.

Source: https://docs.stripe.com/api/errors.
"""

from typing import Any

INVALID_REQUEST = "invalid_request_error"
UNEXPECTED_STATE = "payment_intent_unexpected_state"


class ApiError(Exception):
    """A request that Stripe would refuse with this status and body."""

    def __init__(self, status: int, kind: str, message: str, *, is_saved: bool = True, **members: Any) -> None:
        super().__init__(message)
        self.http_status = status
        # Whether an idempotency key keeps the answer: only that of a request that began to execute.
        self.is_saved = is_saved
        self.body = error_body(kind, message, **members)


def error_body(kind: str, message: str, **members: Any) -> dict[str, Any]:
    """Return the body of an error; members without a value are left out."""
    given = {name: value for name, value in members.items() if value is not None}
    return {"error": {"type": kind, "message": message} | given}


def refused(message: str, *, status: int = 400, **members: Any) -> ApiError:
    """Return the refusal of a request that is valid and cannot be carried out."""
    return ApiError(status, INVALID_REQUEST, message, **members)


def invalid(message: str, *, param: str, code: str | None = None) -> ApiError:
    """Return the refusal of a parameter; an idempotency key does not keep it."""
    return ApiError(400, INVALID_REQUEST, message, is_saved=False, param=param, code=code)


def missing(what: str, object_id: str, *, param: str = "id", status: int = 404) -> ApiError:
    """Return the refusal of an id that names no object."""
    message = f"No such {what}: '{object_id}'"
    return ApiError(status, INVALID_REQUEST, message, code="resource_missing", param=param)


def unauthorized(message: str) -> ApiError:
    """Return the refusal of a request without a valid API key."""
    return ApiError(401, INVALID_REQUEST, message, is_saved=False)

"""What can go wrong with one request, by name.

Source: https://docs.stripe.com/error-low-level and https://docs.stripe.com/api/idempotent_requests.
"""

from dataclasses import dataclass
from typing import Any

from flashsale.local_provider.api.errors import INVALID_REQUEST, error_body


@dataclass(frozen=True)
class Fault:
    """An answer of its own, or with `status` None a connection that is closed without any answer.

    `executes`: the request is carried out before. `is_saved`: the idempotency key keeps the answer. `hangs`: the
    connection stays open for a while first. `is_between`: a server in between answers instead of the provider, whose
    own answer the key keeps.
    """

    status: int | None = None
    body: dict[str, Any] | None = None
    executes: bool = False
    is_saved: bool = False
    hangs: bool = False
    is_between: bool = False


_WENT_WRONG = error_body("api_error", "Something went wrong on our end.")

FAULTS = {
    "401": Fault(401, error_body(INVALID_REQUEST, "Invalid API Key provided")),
    "403": Fault(403, error_body(INVALID_REQUEST, "The key lacks the permission")),
    "409": Fault(
        409,
        error_body(
            "idempotency_error",
            "There is currently another in-progress request using this Idempotent Key.",
            code="idempotency_key_in_use",
        ),
    ),
    "429": Fault(429, error_body(INVALID_REQUEST, "Request rate limit exceeded.", code="rate_limit")),
    "lock_timeout": Fault(429, error_body(INVALID_REQUEST, "This object is being used.", code="lock_timeout")),
    "502": Fault(502, error_body("api_error", "Bad gateway")),
    # Its key keeps it: it comes again for a day.
    "500": Fault(500, _WENT_WRONG, is_saved=True),
    "made_then_500": Fault(500, _WENT_WRONG, executes=True, is_saved=True),
    # The request is carried out, and its answer is lost.
    "reset": Fault(executes=True, is_saved=True),
    "dropped": Fault(),
    "hang": Fault(hangs=True),
}

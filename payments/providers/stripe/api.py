"""Requests to Stripe's API through its library: each is sent once, and its answer is the JSON that Stripe wrote.

The stored attempts decide when a request is repeated.
Source: https://docs.stripe.com/api/errors, https://docs.stripe.com/error-low-level.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import stripe
from django.conf import settings

from payments.providers.stripe.transport import Transport

# The version of the library. Events of every version are translated.
API_VERSION = "2026-10-28.endive"
INTENTS, SESSIONS, EVENTS = "/v1/payment_intents", "/v1/checkout/sessions", "/v1/events"
REFUNDS = "/v1/refunds"
MAX_DETAIL_LENGTH = 300
IDEMPOTENCY_ERROR = "idempotency_error"
RATE_LIMIT = "rate_limit"

Json = dict[str, Any]


class RequestFailed(Exception):
    """A request that Stripe refused, or that got no readable answer; the message is for people.

    `http_status` is that of the answer, 0 without one. `code` and `param` are Stripe's, empty where it gives none. An
    error that Stripe did not describe comes from a server in between, which may have passed the request on: it is
    neither a refusal nor an object that is missing.
    """

    def __init__(self, detail: str, *, status: int = 0, error: Mapping[str, Any] | None = None) -> None:
        super().__init__(detail[:MAX_DETAIL_LENGTH])
        error = error or {}
        self.http_status = status
        self.code, self.param, self._type = (_text(error.get(name)) for name in ("code", "param", "type"))

    @property
    def _is_of_stripe(self) -> bool:
        return self._type != ""

    @property
    def is_limited(self) -> bool:
        """Say whether there were too many requests: it was not carried out."""
        return self.http_status == HTTPStatus.TOO_MANY_REQUESTS or self.code == RATE_LIMIT

    @property
    def is_key_reused(self) -> bool:
        """Say whether the idempotency key was used before, with other parameters."""
        return self.http_status == HTTPStatus.BAD_REQUEST and self._type == IDEMPOTENCY_ERROR

    @property
    def is_missing(self) -> bool:
        """Say whether Stripe knows no object of that id."""
        return self.http_status == HTTPStatus.NOT_FOUND and self._is_of_stripe

    @property
    def is_refusal(self) -> bool:
        """Say whether Stripe definitely did not do it: not so after a wrong API key, a conflict or a fault of its own.

        A wrong key, or one that lacks a permission, says nothing about what was asked for.
        """
        is_of_request = self.http_status in (HTTPStatus.BAD_REQUEST, HTTPStatus.PAYMENT_REQUIRED)
        return is_of_request and self._is_of_stripe and not self.is_key_reused and not self.is_limited

    @property
    def is_key_spent(self) -> bool:
        """Say whether the same idempotency key would get this answer again: Stripe keeps its own faults for a day."""
        return self.http_status >= HTTPStatus.INTERNAL_SERVER_ERROR or self.is_key_reused


def ask(method: str, path: str, params: Mapping[str, Any] | None = None, *, key: str = "", seconds: float) -> Json:
    """Send one request and return the object of the answer. Raises `RequestFailed`, and nothing else.

    The library's objects are not made: they cost twice as much as the rest of a request. `key` is the idempotency key;
    without one the library makes one up for each POST. `seconds` bounds connecting and reading; a server that sends
    byte by byte may take twice as long.
    """
    transport = Transport(seconds)
    client = stripe.StripeClient(
        settings.STRIPE_API_KEY,
        stripe_version=API_VERSION,
        base_addresses={"api": settings.STRIPE_API_BASE},
        http_client=transport,
        max_network_retries=0,
    )
    options = {"idempotency_key": key} if key else {}
    try:
        content = client.raw_request(method, path, **(params or {}), **options).data
    except stripe.StripeError as error:
        raise _failure_of(error) from error
    except Exception as error:
        # The library raises AttributeError, TypeError and others for JSON of a shape that it does not expect.
        detail = f"Stripe's answer cannot be read ({type(error).__name__})."
        raise RequestFailed(detail, status=transport.http_status) from error
    if not isinstance(content, dict):
        raise RequestFailed("Stripe's answer is not an object.")
    return content


def object_path(collection: str, object_id: str, *verb: str) -> str:
    """Return the path of one object of a collection, or of what is done to it."""
    return "/".join((collection, quote(object_id, safe=""), *verb))


def _failure_of(error: stripe.StripeError) -> RequestFailed:
    status = error.http_status or 0
    body = error.json_body if isinstance(error.json_body, dict) else {}
    of_stripe = body.get("error")
    if isinstance(of_stripe, dict):
        name = f"{type(error).__name__} {status}"
        return RequestFailed(f"{name}: {_text(of_stripe.get('message'))}", status=status, error=of_stripe)
    if status:
        # Not the library's message, which holds the whole body.
        return RequestFailed(f"Stripe's answer with status {status} cannot be read.", status=status)
    return RequestFailed(f"{type(error).__name__}: {error}")


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""

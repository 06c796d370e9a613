"""The one table of problem codes: title, status, meaning, advice and extra members of each.

Everything that answers, explains or documents a problem is derived from it: the answers (`errors`), the pages at
`/problems/` and docs/errors.md (`problem_pages`), and the OpenAPI document with its examples (`openapi`). A refusal of
the domain has its code and title in its class, which its row names. The rows of queues alone stand in
`queue_problems`, those of the back office in `backoffice_problems`.
"""

import functools
from collections.abc import Iterable
from http import HTTPStatus

from rest_framework import serializers

from catalog import inventory, sales
from checkout import holds, orders
from flashsale.api.backoffice_problems import BACKOFFICE
from flashsale.api.problem_rows import Member, Problem, member, of_refusal
from flashsale.api.queue_problems import QUEUES
from flashsale.core import refusals
from flashsale.core.rest import scopes
from payments import attempts, inbox


class Fault(serializers.Serializer):
    """One fault of a request."""

    pointer = serializers.CharField, "A JSON pointer into the body, or `#header/...`, `#query/...`."
    code = serializers.CharField()
    detail = serializers.CharField()


# The general meaning of each status: exactly one row for each.
GENERAL = (
    of_refusal(
        refusals.InvalidRequest, HTTPStatus.BAD_REQUEST,
        "A field is missing or wrong, a header is malformed, or the body is not the JSON it should be.",
        "Correct what `errors` names: `pointer` says where (a JSON pointer into the body, or `#header/...` and"
        " `#query/...`), `code` and `detail` say why. The same request will fail again.",
        members=member(
            "errors", functools.partial(Fault, many=True), "what is wrong, and where.",
            [{"pointer": "#/quantity", "code": "not_an_integer", "detail": "This must be an integer."}],
        ),
    ),
    Problem(
        code="not_authenticated", title="Authentication required", status=HTTPStatus.UNAUTHORIZED,
        meaning="The API needs a token and got none, or the token is unknown, revoked or expired.",
        advice="Send `Authorization: Bearer <token>` with a token that staff made for you.",
    ),
    Problem(
        code="forbidden", title="Forbidden", status=HTTPStatus.FORBIDDEN,
        meaning="The request is not allowed.", advice="Do not repeat it; ask the people who run the shop.",
    ),
    of_refusal(
        refusals.NotFound, HTTPStatus.NOT_FOUND,
        "Nothing is at this path or has this id: it never existed, is not published, or the id is malformed.",
        "Check the id. Holds and orders have UUIDs, products integers.",
    ),
    Problem(
        code="method_not_allowed", title="Method not allowed", status=HTTPStatus.METHOD_NOT_ALLOWED,
        meaning="The path exists, but not with this method.", advice="Use one of the methods in `Allow`.",
    ),
    Problem(
        code="not_acceptable", title="Not acceptable", status=HTTPStatus.NOT_ACCEPTABLE,
        meaning="The API answers JSON, and `Accept` does not allow that.",
        advice="Send `Accept: application/json`, or none.",
    ),
    Problem(
        code="payload_too_large", title="Payload too large", status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        meaning="The body is larger than 256 KiB.", advice="Send less; no request needs that much.",
    ),
    Problem(
        code="unsupported_media_type", title="Unsupported media type", status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        meaning="The body is not `application/json`, or it has a `Content-Encoding`.",
        advice="Send plain JSON, with `Content-Type: application/json` and no `Content-Encoding`.",
    ),
    Problem(
        code="throttled", title="Too many requests", status=HTTPStatus.TOO_MANY_REQUESTS,
        meaning="Too many requests from this client, or too many with a wrong token or signature from its address;"
        " `RateLimit-Policy` says how many are allowed.",
        advice="Wait for `Retry-After` seconds.",
    ),
    Problem(
        code="internal_error", title="Internal error", status=HTTPStatus.INTERNAL_SERVER_ERROR,
        meaning="A fault of the server; what you sent did not cause it.",
        advice="Repeat later, with the same Idempotency-Key. Tell the people who run the shop the `request_id`.",
    ),
    Problem(
        code="busy", title="Busy", status=HTTPStatus.SERVICE_UNAVAILABLE,
        meaning="A lock, a connection or the database did not answer in time. Nothing was done.",
        advice="Repeat after `Retry-After` seconds, plus a random part of a second.",
    ),
)  # fmt: skip

# Codes that say more than their status.
SPECIFIC = (
    of_refusal(
        inbox.SignatureInvalid, HTTPStatus.UNAUTHORIZED,
        "A webhook's signature is missing or wrong, or its timestamp is more than five minutes off.",
        "Providers: sign the raw bytes with a current secret, and check the clock. Nothing was stored.",
    ),
    of_refusal(
        scopes.ScopeMissing, HTTPStatus.FORBIDDEN,
        "The API token lacks a scope that this call needs; `scope` says which.",
        "Use a token with this scope: staff make it in the admin, or `manage.py make_token`.",
        members=member("scope", serializers.CharField, "the scope that is needed.", "storefront"),
    ),
    of_refusal(
        inventory.InsufficientStock, HTTPStatus.CONFLICT,
        "Fewer units are available than were asked for; `available` says how many.",
        "With `available` above 0, ask for fewer. At 0 it is sold out for now: units come back when holds and orders"
        " end unpaid, so look at the product from time to time instead of repeating the request.",
        members=member("available", serializers.IntegerField, "units left.", 1),
    ),
    of_refusal(
        sales.SaleNotStarted, HTTPStatus.CONFLICT,
        "The sale has not begun, or its queue is not open yet; `sale_starts_at` and `queue_opens_at` say when.",
        "Wait for `Retry-After` seconds, plus a random second or two, so that clients do not all return at once.",
        members=(
            Member(name="sale_starts_at", kind=serializers.DateTimeField, meaning="when the sale begins.",
                   example="2026-11-20T12:30:00.000000Z"),
            Member(name="queue_opens_at", kind=serializers.DateTimeField,
                   meaning="when its queue opens; only where a client wanted to join it.",
                   example="2026-11-20T12:15:00.000000Z"),
        ),
    ),
    of_refusal(
        sales.SaleEnded, HTTPStatus.CONFLICT,
        "The sale is over; `sale_ends_at` says since when.", "Do not repeat the request.",
        members=member(
            "sale_ends_at", serializers.DateTimeField, "when it ended.", "2026-11-20T11:30:00.000000Z",
        ),
    ),
    of_refusal(
        sales.SalePaused, HTTPStatus.CONFLICT,
        "Staff have paused the sale; `paused_at` says since when.",
        "Look at the product's `sale_status` every few seconds; holds and orders that exist are not affected.",
        members=member(
            "paused_at", serializers.DateTimeField, "since when.", "2026-11-20T11:59:00.000000Z",
        ),
    ),
    of_refusal(
        sales.LimitExceeded, HTTPStatus.CONFLICT,
        "More units than one hold, or one customer, may have; `limit` says how many are allowed.",
        "Ask for fewer. Units of holds that were released or expired do not count any more.",
        members=member("limit", serializers.IntegerField, "units allowed.", 10),
    ),
    of_refusal(
        holds.HoldExpired, HTTPStatus.CONFLICT,
        "The hold's time was over before it was ordered.", "Place a new hold.",
    ),
    of_refusal(
        holds.HoldAlreadyUsed, HTTPStatus.CONFLICT,
        "The hold became an order; `order_id` says which.",
        "Go on with that order. To give the units back, cancel it.",
        members=member(
            "order_id", serializers.UUIDField, "the order made of it.",
            "f38776b2-ed4a-4592-a048-04ac10132827",
        ),
    ),
    of_refusal(holds.HoldReleased, HTTPStatus.CONFLICT, "The hold was released.", "Place a new hold."),
    of_refusal(
        orders.OrderAlreadyPaid, HTTPStatus.CONFLICT,
        "The order is paid and cannot be cancelled.", "Ask the people who run the shop for a refund.",
    ),
    of_refusal(
        orders.OrderNotPending, HTTPStatus.CONFLICT,
        "The order is cancelled or expired.",
        "Place a new hold and order it. A payment that arrives all the same is applied if units are left, or refunded.",
    ),
    of_refusal(
        orders.PaymentIdInUse, HTTPStatus.CONFLICT,
        "Another order has this payment id.", "Make a payment of its own for each order.",
    ),
    of_refusal(
        attempts.PaymentClosed, HTTPStatus.CONFLICT,
        "The order's payment was closed at `pay_until`, before the order expires.", "Place a new hold and order it.",
    ),
    of_refusal(
        attempts.PaymentNotPossible, HTTPStatus.CONFLICT,
        "The shop cannot take this payment: no provider is configured, it does not take the amount or the currency, it"
        " refused, or the order has another payment.",
        "Do not repeat the request; `detail` says why.",
    ),
    of_refusal(
        attempts.PaymentProviderUnavailable, HTTPStatus.SERVICE_UNAVAILABLE,
        "So many buyers wait for the payment provider that this one could not pay in time; nothing was stored.",
        "Repeat the request after `Retry-After`.",
    ),
    of_refusal(
        refusals.IdempotencyKeyReused, HTTPStatus.UNPROCESSABLE_ENTITY,
        "The Idempotency-Key was used with another body.",
        "Use a new random key for each purchase, and the same key only to repeat the same request.",
    ),
    Problem(
        code="outcome_unknown", title="Outcome unknown", status=HTTPStatus.SERVICE_UNAVAILABLE,
        meaning="The connection to the database was lost while committing, or no standby confirmed the commit in time:"
        " it was done, or it was not.",
        advice="Repeat with the same Idempotency-Key: if it was done, the answer is what it made. Without a key, look"
        " first.",
    ),
)  # fmt: skip

PROBLEMS = tuple(sorted((*GENERAL, *SPECIFIC, *QUEUES, *BACKOFFICE), key=lambda problem: problem.status))
BY_CODE = {problem.code: problem for problem in PROBLEMS}
BY_REFUSAL = {problem.refusal: problem for problem in PROBLEMS if problem.refusal}
_BY_STATUS = {problem.status: problem for problem in GENERAL}


def of_status(status: int) -> Problem:
    """Return the row of a status in `GENERAL`; without one, `internal_error` from 500 on and `invalid` below."""
    is_server_error = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    fallback = HTTPStatus.INTERNAL_SERVER_ERROR if is_server_error else HTTPStatus.BAD_REQUEST
    return _BY_STATUS.get(status, _BY_STATUS[fallback])


def members() -> Iterable[tuple[Problem, Member]]:
    """Return every extra member with the problem that has it."""
    return ((problem, member) for problem in PROBLEMS for member in problem.members)

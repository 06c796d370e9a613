"""The one table of problem codes: title, status, meaning, advice and extra members of each.

Everything that answers, explains or documents a problem is derived from it: the answers (`errors`), the pages at
`/problems/` and docs/errors.md (`problem_pages`), and the OpenAPI document with its examples (`openapi`). A refusal of
the domain has its code and title in its class, which its row names.
"""

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from rest_framework import serializers

from catalog import inventory, products, sales
from checkout import holds, orders
from flashsale.core import refusals
from flashsale.core.rest import conditional, scopes
from flashsale.outbox import endpoints, feed
from payments import attempts, inbox


@dataclass(frozen=True, kw_only=True)
class Member:
    """A member that a problem document has beside those of RFC 9457, section 3.1."""

    name: str
    kind: Callable[..., serializers.Field]
    meaning: str
    example: Any


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What one code means.

    `refusal` is the class that raises it, None where the framework, the web server or the database does.
    """

    code: str
    title: str
    status: HTTPStatus
    meaning: str
    advice: str
    members: tuple[Member, ...] = ()
    refusal: type[refusals.Refusal] | None = None


class Fault(serializers.Serializer):
    """One fault of a request."""

    pointer = serializers.CharField, "A JSON pointer into the body, or `#header/...`, `#query/...`."
    code = serializers.CharField()
    detail = serializers.CharField()


def _of(refusal: type[refusals.Refusal], status: HTTPStatus, meaning: str, advice: str, **more: Any) -> Problem:
    """Return the row of a refusal."""
    return Problem(
        code=refusal.code, title=refusal.title, status=status, meaning=meaning, advice=advice, refusal=refusal, **more
    )


def _member(name: str, kind: Callable[..., serializers.Field], meaning: str, example: Any) -> tuple[Member]:
    return (Member(name=name, kind=kind, meaning=meaning, example=example),)


# The general meaning of each status: exactly one row for each.
GENERAL = (
    _of(
        refusals.InvalidRequest, HTTPStatus.BAD_REQUEST,
        "A field is missing or wrong, a header is malformed, or the body is not the JSON it should be.",
        "Correct what `errors` names: `pointer` says where (a JSON pointer into the body, or `#header/...` and"
        " `#query/...`), `code` and `detail` say why. The same request will fail again.",
        members=_member(
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
    _of(
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
    _of(
        inbox.SignatureInvalid, HTTPStatus.UNAUTHORIZED,
        "A webhook's signature is missing or wrong, or its timestamp is more than five minutes off.",
        "Providers: sign the raw bytes with a current secret, and check the clock. Nothing was stored.",
    ),
    _of(
        scopes.ScopeMissing, HTTPStatus.FORBIDDEN,
        "The API token lacks a scope that this call needs; `scope` says which.",
        "Use a token with this scope: staff make it in the admin, or `manage.py make_token`.",
        members=_member("scope", serializers.CharField, "the scope that is needed.", "storefront"),
    ),
    _of(
        inventory.InsufficientStock, HTTPStatus.CONFLICT,
        "Fewer units are available than were asked for; `available` says how many.",
        "With `available` above 0, ask for fewer. At 0 it is sold out for now: units come back when holds and orders"
        " end unpaid, so look at the product from time to time instead of repeating the request.",
        members=_member("available", serializers.IntegerField, "units left.", 1),
    ),
    _of(
        sales.SaleNotStarted, HTTPStatus.CONFLICT,
        "The sale has not begun; `sale_starts_at` says when it does.",
        "Wait for `Retry-After` seconds, plus a random second or two, so that clients do not all return at once.",
        members=_member(
            "sale_starts_at", serializers.DateTimeField, "when it begins.", "2026-11-20T12:30:00.000000Z",
        ),
    ),
    _of(
        sales.SaleEnded, HTTPStatus.CONFLICT,
        "The sale is over; `sale_ends_at` says since when.", "Do not repeat the request.",
        members=_member(
            "sale_ends_at", serializers.DateTimeField, "when it ended.", "2026-11-20T11:30:00.000000Z",
        ),
    ),
    _of(
        sales.SalePaused, HTTPStatus.CONFLICT,
        "Staff have paused the sale; `paused_at` says since when.",
        "Look at the product's `sale_status` every few seconds; holds and orders that exist are not affected.",
        members=_member(
            "paused_at", serializers.DateTimeField, "since when.", "2026-11-20T11:59:00.000000Z",
        ),
    ),
    _of(
        sales.LimitExceeded, HTTPStatus.CONFLICT,
        "More units than one hold, or one customer, may have; `limit` says how many are allowed.",
        "Ask for fewer. Units of holds that were released or expired do not count any more.",
        members=_member("limit", serializers.IntegerField, "units allowed.", 10),
    ),
    _of(
        holds.HoldExpired, HTTPStatus.CONFLICT,
        "The hold's time was over before it was ordered.", "Place a new hold.",
    ),
    _of(
        holds.HoldAlreadyUsed, HTTPStatus.CONFLICT,
        "The hold became an order; `order_id` says which.",
        "Go on with that order. To give the units back, cancel it.",
        members=_member(
            "order_id", serializers.UUIDField, "the order made of it.",
            "f38776b2-ed4a-4592-a048-04ac10132827",
        ),
    ),
    _of(holds.HoldReleased, HTTPStatus.CONFLICT, "The hold was released.", "Place a new hold."),
    _of(
        orders.OrderAlreadyPaid, HTTPStatus.CONFLICT,
        "The order is paid and cannot be cancelled.", "Ask the people who run the shop for a refund.",
    ),
    _of(
        orders.OrderNotPending, HTTPStatus.CONFLICT,
        "The order is cancelled or expired.",
        "Place a new hold and order it. A payment that arrives all the same is applied if units are left, or refunded.",
    ),
    _of(
        orders.PaymentIdInUse, HTTPStatus.CONFLICT,
        "Another order has this payment id.", "Make a payment of its own for each order.",
    ),
    _of(
        attempts.PaymentClosed, HTTPStatus.CONFLICT,
        "The order's payment was closed at `pay_until`, before the order expires.", "Place a new hold and order it.",
    ),
    _of(
        attempts.PaymentNotPossible, HTTPStatus.CONFLICT,
        "The shop cannot take this payment: no provider is configured, it does not take the amount or the currency, it"
        " refused, or the order has another payment.",
        "Do not repeat the request; `detail` says why.",
    ),
    _of(
        attempts.PaymentProviderUnavailable, HTTPStatus.SERVICE_UNAVAILABLE,
        "So many buyers wait for the payment provider that this one could not pay in time; nothing was stored.",
        "Repeat the request after `Retry-After`.",
    ),
    _of(
        endpoints.TooManyEndpoints, HTTPStatus.CONFLICT,
        "There are as many endpoints for webhooks as there can be; `limit` says how many.",
        "Delete one that is not needed any more, or let one endpoint take the events of several.",
        members=_member("limit", serializers.IntegerField, "how many endpoints there can be.", 20),
    ),
    _of(
        feed.CursorExpired, HTTPStatus.GONE,
        "Events after this cursor are no longer kept, or the cursor is newer than the newest event; `oldest` and"
        " `newest` are the cursors that can be read from.",
        "Read the orders and products that you keep again; then go on from `newest`, or from `oldest`.",
        members=(
            Member(name="oldest", kind=serializers.IntegerField, meaning="the oldest cursor.", example=120),
            Member(name="newest", kind=serializers.IntegerField, meaning="the newest cursor.", example=4711),
        ),
    ),
    _of(
        refusals.IdempotencyKeyReused, HTTPStatus.UNPROCESSABLE_ENTITY,
        "The Idempotency-Key was used with another body.",
        "Use a new random key for each purchase, and the same key only to repeat the same request.",
    ),
    _of(
        inventory.StockBelowCommitments, HTTPStatus.CONFLICT,
        "The total would fall below the units that are reserved and sold; units of overdue holds and orders do not"
        " count. The members are the counters now.",
        "Take fewer units away: at most `total` less `committed`.",
        members=(
            *_member("total", serializers.IntegerField, "units in all.", 100),
            *_member("reserved", serializers.IntegerField, "units of holds and unpaid orders.", 40),
            *_member("sold", serializers.IntegerField, "units of paid orders.", 30),
            *_member("committed", serializers.IntegerField, "`reserved` and `sold` together.", 70),
        ),
    ),
    _of(
        inventory.StockChanged, HTTPStatus.CONFLICT,
        "The total is not `expected_total`: staff or another program changed it meanwhile.",
        "Look at the product again, and decide whether the change is still right.",
        members=_member("total", serializers.IntegerField, "units in all.", 100),
    ),
    _of(
        products.ChangedMeanwhile, HTTPStatus.PRECONDITION_FAILED,
        "What can be edited is not what `If-Match` names: it was changed meanwhile. This request changed nothing.",
        "Read it again, apply your change to what you read, and send its new `ETag`.",
    ),
    _of(
        conditional.PreconditionRequired, HTTPStatus.PRECONDITION_REQUIRED,
        "The request lacks `If-Match`, without which it might undo a change that its sender has not seen.",
        "Read what you want to change, and send its `ETag` as `If-Match`.",
    ),
    Problem(
        code="outcome_unknown", title="Outcome unknown", status=HTTPStatus.SERVICE_UNAVAILABLE,
        meaning="The connection to the database was lost while committing: it was done, or it was not.",
        advice="Repeat with the same Idempotency-Key: if it was done, the answer is what it made. Without a key, look"
        " first.",
    ),
)  # fmt: skip

PROBLEMS = tuple(sorted((*GENERAL, *SPECIFIC), key=lambda problem: problem.status))
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

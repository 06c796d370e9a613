"""Every problem code that the API answers with: what it means and what a client should do about it.

The page at a problem's `type` and docs/errors.md are made of this; a test compares it with what the code can answer.
"""

from dataclasses import dataclass

from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views.decorators.http import require_safe

from flashsale.api.rate_limits import limited
from flashsale.core.rest.conditional import Page, PageCache

# How long clients may keep a page: a new version shows it soon.
MAX_AGE_SECONDS = 300


@dataclass(frozen=True)
class Problem:
    """One code, the status it comes with, what happened, and what the client does next."""

    code: str
    status: int
    meaning: str
    advice: str


PROBLEMS = (
    Problem(
        "invalid", 400,
        "A field is missing or wrong, a header is malformed, or the body is not the JSON it should be.",
        "Correct what `errors` names: `pointer` says where (a JSON pointer into the body, or `#header/...` and"
        " `#query/...`), `code` and `detail` say why. The same request will fail again.",
    ),
    Problem(
        "not_authenticated", 401,
        "The API needs a token and got none, or the token is unknown, revoked or expired.",
        "Send `Authorization: Bearer <token>` with a token that staff made for you.",
    ),
    Problem(
        "signature_invalid", 401,
        "A webhook's signature is missing or wrong, or its timestamp is more than five minutes off.",
        "Providers: sign the raw bytes with a current secret, and check the clock. Nothing was stored.",
    ),
    Problem(
        "forbidden", 403, "The request is not allowed.", "Do not repeat it; ask the people who run the shop.",
    ),
    Problem(
        "scope_missing", 403, "The API token lacks a scope that this call needs; `scope` says which.",
        "Use a token with this scope: staff make it in the admin, or `manage.py make_token`.",
    ),
    Problem(
        "not_found", 404,
        "Nothing is at this path or has this id: it never existed, is not published, or the id is malformed.",
        "Check the id. Holds and orders have UUIDs, products integers.",
    ),
    Problem(
        "method_not_allowed", 405, "The path exists, but not with this method.", "Use one of those in `Allow`.",
    ),
    Problem(
        "not_acceptable", 406, "The API answers JSON, and `Accept` does not allow that.",
        "Send `Accept: application/json`, or none.",
    ),
    Problem(
        "insufficient_stock", 409,
        "Fewer units are available than were asked for; `available` says how many.",
        "With `available` above 0, ask for fewer. At 0 it is sold out for now: units come back when others give up, so"
        " look at the product from time to time instead of repeating the request.",
    ),
    Problem(
        "sale_not_started", 409,
        "The sale has not begun; `sale_starts_at` says when it does.",
        "Wait for `Retry-After` seconds, plus a random second or two, so that not everybody comes at once.",
    ),
    Problem("sale_ended", 409, "The sale is over; `sale_ends_at` says since when.", "Do not repeat the request."),
    Problem(
        "sale_paused", 409, "Staff have paused the sale; `paused_at` says since when.",
        "Look at the product's `sale_status` every few seconds; holds and orders that exist are not affected.",
    ),
    Problem(
        "limit_exceeded", 409,
        "More units than one hold, or one customer, may have; `limit` says how many are allowed.",
        "Ask for fewer. Units of holds that were released or expired do not count any more.",
    ),
    Problem("hold_expired", 409, "The hold's time was over before it was ordered.", "Place a new hold."),
    Problem(
        "hold_already_used", 409, "The hold became an order; `order_id` says which.",
        "Go on with that order. To give the units back, cancel it.",
    ),
    Problem("hold_released", 409, "The hold was given up.", "Place a new hold."),
    Problem(
        "order_already_paid", 409, "The order is paid and cannot be cancelled.",
        "Ask the people who run the shop for a refund.",
    ),
    Problem(
        "order_not_pending", 409, "The order is cancelled or expired.",
        "Place a new hold and order it. A payment that arrives all the same is applied if units are left, or refunded.",
    ),
    Problem(
        "payment_id_in_use", 409, "Another order has this payment id.",
        "Make a payment of its own for each order.",
    ),
    Problem(
        "payload_too_large", 413, "The body is larger than 256 KiB.", "Send less; no request needs that much.",
    ),
    Problem(
        "unsupported_media_type", 415, "The body is not `application/json`, or it has a `Content-Encoding`.",
        "Send plain JSON, with `Content-Type: application/json` and no `Content-Encoding`.",
    ),
    Problem(
        "idempotency_key_reused", 422,
        "The Idempotency-Key was used with another body.",
        "Use a new random key for each purchase, and the same key only to repeat the same request.",
    ),
    Problem(
        "throttled", 429,
        "Too many requests from this client, or too many with a wrong token or signature from its address;"
        " `RateLimit-Policy` says how many are allowed.",
        "Wait for `Retry-After` seconds.",
    ),
    Problem(
        "internal_error", 500, "A fault of the server; what you sent did not cause it.",
        "Repeat later, with the same Idempotency-Key. Tell the people who run the shop the `request_id`.",
    ),
    Problem(
        "busy", 503, "A lock, a connection or the database did not answer in time. Nothing was done.",
        "Repeat after `Retry-After` seconds, plus a random part of a second.",
    ),
    Problem(
        "outcome_unknown", 503,
        "The connection to the database was lost while committing: it was done, or it was not.",
        "Repeat with the same Idempotency-Key: if it was done, the answer is what it made. Without a key, look first.",
    ),
)  # fmt: skip
BY_CODE = {problem.code: problem for problem in PROBLEMS}


@require_safe
@limited("reads")
def problem_page(request: HttpRequest, code: str) -> HttpResponse:
    """Explain one problem code."""
    if code not in BY_CODE:
        raise Http404
    return _kept(request, code)


@require_safe
@limited("reads")
def problem_list(request: HttpRequest) -> HttpResponse:
    """List all problem codes."""
    return _kept(request, None)


def _kept(request: HttpRequest, code: str | None) -> HttpResponse:
    response = _pages.get(code).response(request)
    response.headers["Cache-Control"] = f"public, max-age={MAX_AGE_SECONDS}"
    return response


def _page(code: str | None) -> Page:
    if code is None:
        text = render_to_string("flashsale/problems.html", {"problems": PROBLEMS})
    else:
        text = render_to_string("flashsale/problem.html", {"problem": BY_CODE[code]})
    return Page.of(text.encode(), "text/html; charset=utf-8")


_pages: PageCache[str | None] = PageCache(_page)


def as_markdown() -> str:
    """Return docs/errors.md."""
    lines = [
        "# Problem codes",
        "",
        "Every error under `/api` is `application/problem+json` (RFC 9457) with one of these codes in `code`. The same",
        "texts are at the URL in `type`. Compare `code`, never the texts. `request_id`, also in `X-Request-ID`, names",
        "the request when you ask for help. This page is made from `flashsale/api/problem_codes.py`.",
        "",
        "| code | status | what happened | what to do |",
        "|---|---|---|---|",
    ]
    lines += [f"| `{p.code}` | {p.status} | {p.meaning} | {p.advice} |" for p in PROBLEMS]
    return "\n".join(lines) + "\n"

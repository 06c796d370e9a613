"""The pages at a problem's `type`, the list of all at `/problems/`, and docs/errors.md: `problem_codes` as text."""

from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views.decorators.http import require_safe

from flashsale.api.problem_codes import BY_CODE, PROBLEMS
from flashsale.api.rate_limits import limited
from flashsale.core.rest.conditional import RenderedBody, RenderOnce

# How long clients may cache a page; short, so that they see a new version soon.
MAX_AGE_SECONDS = 300


@require_safe
@limited("reads")
def problem_page(request: HttpRequest, code: str) -> HttpResponse:
    """Explain one problem code."""
    if code not in BY_CODE:
        raise Http404
    return _cached(request, code)


@require_safe
@limited("reads")
def problem_list(request: HttpRequest) -> HttpResponse:
    """List all problem codes."""
    return _cached(request, None)


def _cached(request: HttpRequest, code: str | None) -> HttpResponse:
    response = _pages.get(code).response(request)
    response.headers["Cache-Control"] = f"public, max-age={MAX_AGE_SECONDS}"
    return response


def _page(code: str | None) -> RenderedBody:
    if code is None:
        text = render_to_string("flashsale/problems.html", {"problems": PROBLEMS})
    else:
        text = render_to_string("flashsale/problem.html", {"problem": BY_CODE[code]})
    return RenderedBody.of(text.encode(), "text/html; charset=utf-8")


_pages: RenderOnce[str | None] = RenderOnce(_page)


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

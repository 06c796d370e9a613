"""The Content-Security-Policy of every answer: pages load nothing from another host."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

OWN_HOST = "default-src 'self'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
# The admin's theme needs both: Alpine.js evaluates expressions in attributes, and scripts set inline styles.
PAGES = f"{OWN_HOST}; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; img-src 'self' data:"
# The demo shop: no inline script or style; pictures of products may be anywhere.
SHOP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data: https:;"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script';"
    " trusted-types 'none'"
)
API = "default-src 'none'; frame-ancestors 'none'"


class ContentSecurityPolicyMiddleware:
    """Middleware: set the policy of pages on HTML and the strictest one on everything else."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        is_page = response.headers.get("Content-Type", "").startswith("text/html")
        response.headers.setdefault("Content-Security-Policy", PAGES if is_page else API)
        return response

"""What a browser may do with our pages (Content-Security-Policy): nothing to do with any other host."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

OWN = "default-src 'self'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
# The admin's theme evaluates expressions in its attributes (Alpine.js) and sets styles.
PAGES = f"{OWN}; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; img-src 'self' data:"
API = "default-src 'none'; frame-ancestors 'none'"


class ContentSecurityPolicyMiddleware:
    """Middleware: the strictest policy that each kind of answer can live with."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        is_page = response.headers.get("Content-Type", "").startswith("text/html")
        response.headers.setdefault("Content-Security-Policy", PAGES if is_page else API)
        return response

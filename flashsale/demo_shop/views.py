"""The page at `/`."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views.decorators.http import require_safe

from flashsale.api.rate_limits import limited
from flashsale.core.rest.conditional import RenderedBody, RenderOnce
from flashsale.local import provider_settings
from flashsale.web import content_security


@dataclass(frozen=True)
class Payment:
    """How the shop takes payments.

    `kind` is `local` (on the page of the local provider at `provider_base`), `checkout` (the provider's hosted page) or
    empty: not at all, because the page's policy allows no other host's script.
    """

    kind: str
    provider_base: str = ""


@require_safe
@limited("reads")
def home(request: HttpRequest) -> HttpResponse:
    """Answer with the demo shop, or with a page of links where there is none."""
    response = _pages.get(_payment() if settings.DEMO_SHOP else None).response(request)
    # Kept by the browser, and asked for again: the script's name changes with its content.
    response.headers["Cache-Control"] = "no-cache"
    if settings.DEMO_SHOP:
        response.headers["Content-Security-Policy"] = content_security.SHOP
    return response


def _payment() -> Payment:
    base = settings.STRIPE_API_BASE
    if settings.SHOP_MAKES_PAYMENTS and settings.STRIPE_PAYMENT_MODE == "checkout":
        return Payment(kind="checkout")
    if settings.SHOP_MAKES_PAYMENTS and settings.LOCAL_MODE and urlsplit(base).hostname == provider_settings.HOST:
        return Payment(kind="local", provider_base=base)
    return Payment(kind="")


def _page(payment: Payment | None) -> RenderedBody:
    if payment is None:
        text = render_to_string("demo_shop/links.html")
    else:
        text = render_to_string("demo_shop/shop.html", {"payment": payment})
    return RenderedBody.of(text.encode(), "text/html; charset=utf-8")


_pages: RenderOnce[Payment | None] = RenderOnce(_page)

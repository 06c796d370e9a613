"""The page to pay on, `/pay/{id}`: for a payment intent with its client secret, or for a checkout session.

Its policy allows one style sheet, its own form, and nothing else.
"""

import base64
import hashlib
import re
import secrets
from dataclasses import dataclass
from html import escape
from string import Template
from typing import Any
from urllib.parse import urlencode, urlsplit

from flashsale.local_provider.api import cards, charging, currencies, sessions
from flashsale.local_provider.api.errors import ApiError
from flashsale.local_provider.provider import Provider
from flashsale.local_provider.storage import Thing

_ORIGIN = re.compile(r"https?://(?:[a-z0-9_.-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?", re.ASCII)
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
STYLE = """
:root { color-scheme: light dark; font: 1.0625rem/1.5 system-ui, sans-serif; }
body { margin: 0 auto; max-width: 26rem; padding: 1.25rem; }
.test { border: 2px solid #b45309; border-radius: .5rem; padding: .75rem 1rem; }
h1 { font-size: 1.6rem; line-height: 1.2; }
.amount { font-size: 2rem; font-weight: 700; margin: .25rem 0 1rem; }
button { width: 100%; min-height: 3rem; margin: .375rem 0; font: inherit; font-weight: 600; border-radius: .5rem;
  border: 2px solid currentColor; background: none; color: inherit; cursor: pointer; }
button.pay { background: #14532d; border-color: #14532d; color: #fff; }
button:focus-visible, a:focus-visible { outline: 3px solid #2563eb; outline-offset: 2px; }
[role=alert] { border-left: 4px solid #b91c1c; padding-left: .75rem; }
""".strip()
PAGE = Template(
    """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title><style>$style</style></head><body><main>
<p class="test"><strong>Test page.</strong> No money moves: this is the payment provider of a local system.</p>
<h1>$title</h1>
$content
</main></body></html>
"""
)
FORM = Template(
    """<p>$description$shop</p><p class="amount">$amount</p>$message
<form method="post" action="$action">
<input type="hidden" name="client_secret" value="$secret"><input type="hidden" name="return_url" value="$return_url">
<button class="pay" name="action" value="pay">Pay $amount</button>
<button name="action" value="decline">Decline the card</button>
$back</form>"""
)
BACK = '<button name="action" value="back">Back to the shop without paying</button>'
ENDED = {
    "succeeded": "This payment is paid.",
    "complete": "This payment is paid.",
    "processing": "This payment is being processed.",
    "canceled": "This payment was cancelled and cannot be paid any more.",
    "expired": "This page has expired: nothing can be paid here any more.",
}


@dataclass(frozen=True)
class Page:
    """An answer for a browser: HTML, or a redirect to `location`."""

    status: int
    html: str = ""
    location: str = ""
    form_targets: tuple[str, ...] = ()

    def headers(self) -> dict[str, str]:
        """Return the headers, with a policy that allows the page's style sheet and form."""
        digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
        # A browser applies form-action to the redirect after the form, too.
        targets = " ".join(["'self'", *self.form_targets])
        policy = (
            f"default-src 'none'; style-src 'sha256-{digest}'; form-action {targets}; base-uri 'none';"
            " frame-ancestors 'none'"
        )
        moved = {"Location": self.location} if self.location else {}
        return moved | {
            "Content-Type": "text/html; charset=utf-8",
            "Content-Security-Policy": policy,
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
        }


def show(provider: Provider, object_id: str, values: dict[str, str]) -> Page:
    """Return the page of a payment."""
    with provider.lock:
        thing = _find(provider, object_id, values)
        page = _not_found() if thing is None else _page(thing, values)
        provider.commit()
    return page


def submit(provider: Provider, object_id: str, values: dict[str, str]) -> Page:
    """Pay, decline or go back, as the buyer's button says."""
    with provider.lock:
        thing = _find(provider, object_id, values)
        page = _not_found() if thing is None else _act(provider, thing, values)
        provider.commit()
    return page


def _act(provider: Provider, thing: Thing, values: dict[str, str]) -> Page:
    action = values.get("action")
    if action == "back" and _back_url(thing, values):
        return Page(303, location=_back_url(thing, values))
    if action not in ("pay", "decline") or thing["status"] not in (*charging.PAYABLE, "open"):
        return _page(thing, values)
    card = cards.VISA if action == "pay" else cards.DECLINED
    try:
        if thing["object"] == sessions.KIND:
            sessions.pay(provider, thing, card)
        else:
            charging.confirm(provider, thing, card)
    except ApiError as error:
        return _page(thing, values, message=str(error), status=402)
    target = _paid_url(thing, values)
    return Page(303, location=target) if target else _page(thing, values)


def _find(provider: Provider, object_id: str, values: dict[str, str]) -> Thing | None:
    try:
        return sessions.find(provider, object_id)
    except ApiError:
        intent = provider.storage.find("payment_intent", object_id)
    known = values.get("client_secret", "").encode()
    if intent is None or not secrets.compare_digest(intent["client_secret"].encode(), known):
        return None
    return intent


def _page(thing: Thing, values: dict[str, str], *, message: str = "", status: int = 200) -> Page:
    if thing["status"] not in (*charging.PAYABLE, "open"):
        target = _paid_url(thing, values) if thing["status"] in ("succeeded", "complete") else _back_url(thing, values)
        link = f'<p><a href="{escape(target)}">Back to the shop</a></p>' if target else ""
        return Page(status, _html("Payment", f"<p>{ENDED.get(thing['status'], 'Nothing can be paid here.')}</p>{link}"))
    back = _back_url(thing, values)
    content = FORM.substitute(
        description=escape(_description(thing)),
        shop=f"<br>Shop {escape(thing['metadata']['shop_id'])}" if "shop_id" in thing["metadata"] else "",
        amount=escape(currencies.formatted(_amount(thing), thing["currency"])),
        message=f'<p role="alert">{escape(message)} Nothing was paid; you can try again.</p>' if message else "",
        action=escape(f"/pay/{thing['id']}"),
        secret=escape(values.get("client_secret", "")),
        return_url=escape(values.get("return_url", "")),
        back=BACK if back else "",
    )
    targets = {_origin(url) for url in (back, _paid_url(thing, values)) if url} - {""}
    return Page(status, _html("Pay for your order", content), form_targets=tuple(sorted(targets)))


def _html(title: str, content: str) -> str:
    return PAGE.substitute(title=title, style=STYLE, content=content)


def _not_found() -> Page:
    return Page(404, _html("No such payment", "<p>Its id is wrong, or its secret is missing.</p>"))


def _amount(thing: Thing) -> int:
    return thing["amount_total"] if thing["object"] == sessions.KIND else thing["amount"]


def _description(thing: Thing) -> str:
    if thing["object"] == sessions.KIND:
        return ", ".join(thing["_names"])
    order = thing["metadata"].get("order_id")
    return thing["description"] or (f"Order {order}" if order else "Payment to the local shop")


def _paid_url(thing: Thing, values: dict[str, str]) -> str:
    """Return where the buyer goes after paying, empty for nowhere."""
    if thing["object"] == sessions.KIND:
        return thing["success_url"].replace("{CHECKOUT_SESSION_ID}", thing["id"])
    url = _return_url(values)
    if not url:
        return ""
    status = "succeeded" if thing["status"] == "succeeded" else "pending"
    return _with_query(url, payment_intent=thing["id"], redirect_status=status)


def _back_url(thing: Thing, values: dict[str, str]) -> str:
    return (thing["cancel_url"] or "") if thing["object"] == sessions.KIND else _return_url(values)


def _return_url(values: dict[str, str]) -> str:
    """Return the address that the page of an intent leads back to: on this machine only, since anyone can name it."""
    url = values.get("return_url", "")
    return url if sessions.is_web_address(url) and urlsplit(url).hostname in LOOPBACK else ""


def _with_query(url: str, **values: Any) -> str:
    parts = urlsplit(url)
    query = "&".join(part for part in (parts.query, urlencode(values)) if part)
    return parts._replace(query=query).geturl()


def _origin(url: str) -> str:
    """Return an address's origin for the policy, without a user name, which may contain anything; empty if unusual."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    origin = f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port else "")
    return origin if _ORIGIN.fullmatch(origin) else ""

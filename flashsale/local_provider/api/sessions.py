"""Checkout sessions: pages that Stripe hosts, with the payment intent that their first try to pay creates.

Source: https://docs.stripe.com/api/checkout/sessions.
"""

import re
from typing import Any
from urllib.parse import urlsplit

from flashsale.local_provider.api import cards, charging, currencies, lists, parameters
from flashsale.local_provider.api.errors import ApiError, invalid, missing, refused
from flashsale.local_provider.provider import Provider, Request, new_id
from flashsale.local_provider.storage import Thing, shown

KIND = "checkout.session"
LEAST_SECONDS, MOST_SECONDS = 30 * 60, 24 * 3600
MAX_ITEMS = 100
MAX_QUANTITY = 999_999
CREATE_PARAMETERS = frozenset(
    {
        "cancel_url", "client_reference_id", "currency", "customer_email", "expires_at", "line_items", "locale",
        "metadata", "mode", "payment_intent_data", "payment_method_types", "submit_type", "success_url", "ui_mode",
    }
)  # fmt: skip
LIST_PARAMETERS = lists.PARAMETERS | {"payment_intent", "status"}
_PRINTABLE = re.compile(r"[!-~]+")


def create(provider: Provider, request: Request) -> Thing:
    """Create a session of mode `payment`. Raises `ApiError`."""
    params = request.params
    parameters.choice(parameters.required(params, "mode"), "payment", name="mode")
    amount, currency, names = _items(params)
    session_id, now = new_id("cs_test"), provider.now()
    session = {
        "id": session_id,
        "object": KIND,
        "amount_subtotal": amount,
        "amount_total": amount,
        "cancel_url": _url(params, "cancel_url") if params.get("cancel_url") else None,
        "client_reference_id": params.get("client_reference_id"),
        "created": now,
        "currency": currency,
        "customer_email": params.get("customer_email"),
        "expires_at": _expires_at(params, now),
        "livemode": False,
        "metadata": parameters.metadata(params),
        "mode": "payment",
        "payment_intent": None,
        "payment_method_types": ["card"],
        "payment_status": "unpaid",
        "status": "open",
        "success_url": _url(params, "success_url"),
        "ui_mode": params.get("ui_mode", "hosted"),
        "url": f"{provider.base_url}/pay/{session_id}",
        "_names": names,
        "_intent_metadata": parameters.metadata(parameters.mapping(params, "payment_intent_data")),
        "_intent_description": parameters.mapping(params, "payment_intent_data").get("description"),
    }
    provider.storage.put(session)
    return shown(session)


def retrieve(provider: Provider, request: Request) -> Thing:
    """Return a session; raises `ApiError`."""
    return shown(find(provider, request.object_id))


def expire(provider: Provider, request: Request) -> Thing:
    """Expire an open session; with the habit `too_late` it is paid in this moment. Raises `ApiError`."""
    session = find(provider, request.object_id)
    if provider.habits.cancel == "too_late" and session["status"] == "open":
        pay(provider, session, cards.VISA)
    if session["status"] != "open":
        status = session["status"]
        raise refused(
            'Only Checkout Sessions with a status in ["open"] can be expired.'
            f" This Checkout Session has a status of {status}."
        )
    _expire(provider, session, request)
    return shown(session)


def list_page(provider: Provider, request: Request) -> dict[str, Any]:
    """Return a page of sessions; raises `ApiError`."""
    expire_due(provider)
    wanted = {name: request.params[name] for name in ("payment_intent", "status") if name in request.params}
    sessions = provider.storage.newest_first(KIND)
    found = [one for one in sessions if all(one[name] == value for name, value in wanted.items())]
    return lists.page(request, found, what=KIND)


def find(provider: Provider, session_id: str) -> Thing:
    """Return a session as it is now; raises `ApiError`."""
    session = provider.storage.find(KIND, session_id)
    if session is None:
        raise missing(KIND, session_id, param="session")
    if session["status"] == "open" and session["expires_at"] <= provider.now():
        _expire(provider, session)
    return session


def expire_due(provider: Provider) -> None:
    """Expire the sessions whose time is over."""
    for session in provider.storage.newest_first(KIND):
        if session["status"] == "open" and session["expires_at"] <= provider.now():
            _expire(provider, session)


def pay(provider: Provider, session: Thing, payment_method: str) -> None:
    """Pay an open session as a buyer on its page does. Raises `ApiError`, 402 when the card is declined."""
    if session["status"] != "open":
        raise refused(f"This Checkout Session has a status of {session['status']}.")
    intent = _intent_of(provider, session)
    charging.confirm(provider, intent, payment_method)
    session |= {
        "status": "complete",
        "payment_status": "paid" if intent["status"] == "succeeded" else "unpaid",
        "url": None,
    }
    provider.storage.put(session)
    provider.emit("checkout.session.completed", session)


def end_processing(provider: Provider, session: Thing, *, is_paid: bool) -> None:
    """Report how the payment of a completed session ended that was in processing."""
    if is_paid:
        session["payment_status"] = "paid"
        provider.storage.put(session)
    outcome = "succeeded" if is_paid else "failed"
    provider.emit(f"checkout.session.async_payment_{outcome}", session)


def _intent_of(provider: Provider, session: Thing) -> Thing:
    intent = provider.storage.find("payment_intent", session["payment_intent"] or "")
    if intent is not None:
        return intent
    amount, currency = session["amount_total"], session["currency"]
    metadata = dict(session["_intent_metadata"])
    intent = charging.new_intent(provider, amount=amount, currency=currency, metadata=metadata)
    intent |= {"_session": session["id"], "description": session["_intent_description"]}
    session["payment_intent"] = intent["id"]
    provider.storage.put(intent)
    provider.storage.put(session)
    provider.emit("payment_intent.created", intent)
    return intent


def _expire(provider: Provider, session: Thing, request: Request | None = None) -> None:
    session |= {"status": "expired", "url": None}
    provider.storage.put(session)
    intent = provider.storage.find("payment_intent", session["payment_intent"] or "")
    if intent is not None and intent["status"] in charging.OPEN:
        charging.cancel(provider, intent, reason="expired", request=request)
    provider.emit("checkout.session.expired", session, request)


def _items(params: dict[str, Any]) -> tuple[int, str, list[str]]:
    """Return the total in minor units, the currency, and what is bought. Raises `ApiError`."""
    items = parameters.required(params, "line_items")
    if not isinstance(items, list) or not 0 < len(items) <= MAX_ITEMS:
        raise invalid("Invalid array", param="line_items")
    total, found, names = 0, set(), []
    for number, item in enumerate(items):
        place = f"line_items[{number}]"
        price = parameters.mapping(item if isinstance(item, dict) else {}, "price_data")
        unit_text, quantity_text = parameters.required(price, "unit_amount"), item.get("quantity", "1")
        unit = parameters.whole(unit_text, name=f"{place}[price_data][unit_amount]", least=0, most=10**11)
        quantity = parameters.whole(quantity_text, name=f"{place}[quantity]", least=1, most=MAX_QUANTITY)
        total += unit * quantity
        found.add(
            parameters.text(parameters.required(price, "currency"), name=f"{place}[price_data][currency]").lower()
        )
        product = parameters.mapping(price, "product_data")
        names.append(f"{quantity} x {parameters.text(parameters.required(product, 'name'), name='name')}")
    if len(found) > 1:
        raise invalid("All line items must have the same currency.", param="line_items")
    currency = currencies.check_currency(found.pop())
    _check_total(total, currency)
    return total, currency, names


def _check_total(total: int, currency: str) -> None:
    try:
        currencies.check_amount(total, currency)
    except ApiError as error:
        smallest = currencies.formatted(currencies.MINIMUMS.get(currency.upper(), currencies.DEFAULT_MINIMUM), currency)
        message = f"The Checkout Session's total amount due must add up to at least {smallest}."
        code = error.body["error"].get("code")
        raise invalid(message if code == "amount_too_small" else str(error), param="line_items", code=code) from None


def _expires_at(params: dict[str, Any], now: int) -> int:
    value = params.get("expires_at")
    if value is None:
        return now + MOST_SECONDS
    at = parameters.whole(value, name="expires_at", least=0, most=10**11)
    if not now + LEAST_SECONDS <= at <= now + MOST_SECONDS:
        raise invalid(
            "The `expires_at` timestamp must be between 30 minutes and 24 hours from now.", param="expires_at"
        )
    return at


def _url(params: dict[str, Any], name: str) -> str:
    url = parameters.text(parameters.required(params, name), name=name)
    if not is_web_address(url):
        raise invalid("Not a valid URL", param=name, code="url_invalid")
    return url


def is_web_address(url: str) -> bool:
    """Say whether it is an address of http or https, of printable ASCII without spaces, as a header may contain."""
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return has_host and parts.scheme in ("http", "https") and bool(_PRINTABLE.fullmatch(url))

"""What tests and people use beside Stripe's API: habits, the requests received, and payments in processing.

Answers are JSON. Changes need `Content-Type: application/json` and no other origin, so that no web page can make them.
"""

import json
from dataclasses import asdict
from typing import Any

from flashsale.local_provider.api import charging, refunds, routes, sessions
from flashsale.local_provider.behaviour import habits
from flashsale.local_provider.provider import Provider

DECLINE = {"type": "card_error", "code": "card_declined", "message": "Your card was declined."}
REFUND_ENDS = ("succeeded", "failed", "canceled")


class BadControl(Exception):
    """The request cannot be carried out; the message is for people."""


def read(provider: Provider, path: str) -> Any:
    """Return what `GET /habits` or `GET /requests` shows, None for another path."""
    with provider.lock:
        if path == "/habits":
            return provider.habits.as_json()
        if path == "/requests":
            return {"requests": [asdict(one) for one in provider.received]}
    return None


def change(provider: Provider, path: str, body: bytes) -> Any:
    """Carry out `POST /habits` or `POST /settle`, None for another path. Raises `BadControl`."""
    if path not in ("/habits", "/settle"):
        return None
    try:
        values = json.loads(body)
    except ValueError:
        values = None
    if not isinstance(values, dict):
        raise BadControl("The body must be a JSON object.")
    if path == "/habits":
        set_habits(provider, values)
        return read(provider, path)
    return settle(provider, values)


def set_habits(provider: Provider, values: dict[str, Any]) -> None:
    """Replace all habits; an empty dict is good behaviour. Raises `BadControl`."""
    try:
        parsed = habits.parse(values)
    except habits.UnknownHabit as error:
        raise BadControl(str(error)) from None
    for endpoint in {*parsed.only, *(one.endpoint for one in parsed.next)} - {""}:
        if endpoint not in routes.ENDPOINTS:
            raise BadControl(f"Unknown endpoint: {endpoint}. There are {', '.join(sorted(routes.ENDPOINTS))}.")
    with provider.lock:
        provider.habits = parsed


def settle(provider: Provider, values: dict[str, Any]) -> dict[str, Any]:
    """End a payment in processing, or a refund: `{"id": "pi_...", "outcome": "succeeded"}`. Raises `BadControl`."""
    if set(values) != {"id", "outcome"}:
        raise BadControl("The members are id and outcome.")
    object_id, outcome = str(values["id"]), values["outcome"]
    with provider.lock:
        if (refund := provider.storage.find("refund", object_id)) is not None:
            _settle_refund(provider, refund, outcome)
        elif (intent := provider.storage.find("payment_intent", object_id)) is not None:
            _settle_intent(provider, intent, outcome)
        else:
            raise BadControl("There is no such payment intent or refund.")
        provider.commit()
    return {"id": object_id, "outcome": outcome}


def _settle_intent(provider: Provider, intent: dict[str, Any], outcome: Any) -> None:
    if intent["status"] != "processing" or outcome not in ("succeeded", "failed"):
        raise BadControl("A payment in processing may be succeeded or failed.")
    if outcome == "succeeded":
        charging.succeed(provider, intent)
    else:
        charging.fail(provider, intent, DECLINE)
    session = provider.storage.find("checkout.session", intent.get("_session", ""))
    if session is not None:
        sessions.end_processing(provider, session, is_paid=outcome == "succeeded")


def _settle_refund(provider: Provider, refund: dict[str, Any], outcome: Any) -> None:
    if outcome not in REFUND_ENDS or refund["status"] in refunds.NOT_IN_EFFECT:
        raise BadControl(f"A refund that is in effect may be {', '.join(REFUND_ENDS)}.")
    refunds.end(provider, refund, status=outcome)

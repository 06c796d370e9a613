"""Why a try to pay was declined, read from what the provider sent; the order is not changed by it.

Sources: https://docs.stripe.com/api/payment_intents/object#payment_intent_object-last_payment_error and
https://docs.stripe.com/api/charges/object#charge_object-outcome.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from flashsale.core import strict_json
from payments.models import WebhookEvent

INTENT_FAILED, CHARGE_FAILED = "payment_intent.payment_failed", "charge.failed"
DECLINES = frozenset({("stripe", INTENT_FAILED), ("stripe", CHARGE_FAILED)})
MAX_LENGTH = 100


def told_by(events: Iterable[WebhookEvent]) -> dict[int, str]:
    """Return for each event about a declined try, by primary key, what was declined and why, where its body says it.

    Bodies that were not read with their events are read with one query.
    """
    declined = [event for event in events if (event.provider, event.type) in DECLINES]
    without = [event.pk for event in declined if "body" in event.get_deferred_fields()]
    bodies = {event.pk: event.body for event in declined if event.pk not in without}
    if without:
        bodies |= WebhookEvent.objects.filter(pk__in=without).values_list("pk", "body")
    return {event.pk: _told(event.type, bodies.get(event.pk)) for event in declined}


def _told(event_type: str, body: bytes | memoryview | None) -> str:
    thing = _member(_member(_members(body), "data"), "object")
    if event_type == INTENT_FAILED:
        error = _member(thing, "last_payment_error")
        reasons = error.get("decline_code"), error.get("code"), error.get("message")
        is_card = error.get("type") == "card_error" or _member(error, "payment_method").get("type") == "card"
    else:
        reasons = _member(thing, "outcome").get("reason"), thing.get("failure_code"), thing.get("failure_message")
        is_card = _member(thing, "payment_method_details").get("type") == "card"
    reason = next((words for words in map(_words, reasons) if words), "")
    what = "a card was declined" if is_card else "a try to pay was declined"
    return f"{what}{f' ({reason})' if reason else ''}, which does not end the order"


def _words(text: object) -> str:
    """Return a code or a message as words; an empty text for anything else."""
    if not isinstance(text, str) or not strict_json.is_storable(text):
        return ""
    return " ".join(text.replace("_", " ").split()).removesuffix(".")[:MAX_LENGTH]


def _members(body: bytes | memoryview | None) -> Mapping[str, Any]:
    """Return the members of a stored body; none when it was purged."""
    try:
        members = strict_json.loads(bytes(body or b""))
    except strict_json.InvalidJson:
        return {}
    return members if isinstance(members, dict) else {}


def _member(members: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = members.get(name)
    return value if isinstance(value, dict) else {}

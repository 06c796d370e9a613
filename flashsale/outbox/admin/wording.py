"""What pages say about endpoints and deliveries: their state, and what an action will do."""

from datetime import datetime

from flashsale.core import moments
from flashsale.outbox.admin.figures import MAX_COUNTED, Figures
from flashsale.outbox.deliveries.again import MAX_REPLAYED
from flashsale.outbox.deliveries.schedule import MAX_TRIES
from flashsale.outbox.endpoints import ROTATION_HOURS
from flashsale.outbox.kinds import EventType
from flashsale.outbox.models import TEST_TYPE, Delivery, Endpoint, Numbering

# The choices of a form: each type with its meaning.
TYPE_CHOICES = [(member.value, f"{member.value}: {member.label.replace('`', '')}") for member in EventType]
_MEANINGS = {member.value: member.label.replace("`", "") for member in EventType} | {TEST_TYPE: "a test, and no event"}


def meaning_of(event_type: str) -> str:
    """Return what an event of this type tells, empty for a type that this version does not know."""
    return _MEANINGS.get(event_type, "")


def types_of(endpoint: Endpoint) -> str:
    """Say which events an endpoint gets."""
    return ", ".join(endpoint.types) or "all types"


def number_of(count: int) -> str:
    """Return a number that was counted to `MAX_COUNTED`."""
    return f"more than {MAX_COUNTED:,}" if count > MAX_COUNTED else f"{count:,}"


def deliveries(count: int) -> str:
    """Return a number of deliveries: "1 delivery", "more than 1,000 deliveries"."""
    return f"{number_of(count)} {'delivery' if count == 1 else 'deliveries'}"


def _waiting(count: int) -> str:
    return f"{deliveries(count)} {'waits' if count == 1 else 'wait'}"


def state_of(endpoint: Endpoint) -> str:
    """Say whether an endpoint works."""
    if endpoint.status == Endpoint.Status.DISABLED:
        reason = endpoint.get_disabled_reason_display()
        return (
            f"Disabled, because {_BECAUSE.get(endpoint.disabled_reason, reason)}: nothing is sent until it is enabled."
        )
    if endpoint.status == Endpoint.Status.FAILING:
        return (
            f"Failing since {_at(endpoint.failing_since)}: one delivery at a time is tried,"
            f" the next at {_at(endpoint.next_probe_at)}."
        )
    return "Enabled: events are sent as they happen."


_BECAUSE: dict[str, str] = {
    Endpoint.DisabledReason.GONE: "it answered 410 Gone",
    Endpoint.DisabledReason.FAILURES: "there was nothing but failures for five days",
    Endpoint.DisabledReason.REQUESTED: "staff or the back end asked for it",
}


def state_of_delivery(delivery: Delivery) -> str:
    """Say what became of a delivery, or when it is tried next."""
    tries = f"{delivery.tries} of {MAX_TRIES} tries" if delivery.event_id else "a test, which is tried once"
    if delivery.status == Delivery.Status.DELIVERED:
        return f"Delivered at {_at(delivery.delivered_at)}."
    if delivery.status == Delivery.Status.DEAD:
        return f"Dead ({tries}): {delivery.last_error or 'the last try failed.'} It is not tried again by itself."
    if delivery.lease is not None:
        return f"Being sent ({tries}): without an answer it is due again at {_at(delivery.next_try_at)}."
    due = f"Pending ({tries}): due at {_at(delivery.next_try_at)}."
    return f"{due} {_what_delays(delivery.endpoint) if delivery.event_id else ''}".strip()


def _what_delays(endpoint: Endpoint) -> str:
    if endpoint.status == Endpoint.Status.DISABLED:
        return "Its endpoint is disabled: it waits until that is enabled."
    if endpoint.status == Endpoint.Status.FAILING:
        return f"Its endpoint is failing: one delivery at a time is tried, the next at {_at(endpoint.next_probe_at)}."
    return ""


def effect_of_enabling(endpoint: Endpoint, figures: Figures) -> str:
    """Say what enabling an endpoint will do."""
    if endpoint.status == Endpoint.Status.ENABLED:
        return "It is enabled already. What failed and waits to be tried again is sent now."
    return f"Events are sent to it again, what it missed included: {_waiting(figures.pending)}."


def effect_of_disabling(endpoint: Endpoint, figures: Figures) -> str:
    """Say what disabling an endpoint will do."""
    if endpoint.status == Endpoint.Status.DISABLED:
        return "Nothing will be done: it is disabled already."
    return (
        "Nothing is sent to it until it is enabled. What happens meanwhile waits, for 30 days."
        f" Now {_waiting(figures.pending)}."
    )


def effect_of_rotating(endpoint: Endpoint) -> str:
    """Say what a new secret means for the back end."""
    return (
        f"It gets a new secret, which the next page shows this once. For {ROTATION_HOURS} hours what is sent is signed"
        " with the present secret, too, and with those before it that still sign."
    )


_WHEN_REPLAYED: dict[str, str] = {
    Endpoint.Status.DISABLED: "as soon as the endpoint is enabled",
    Endpoint.Status.FAILING: "one at a time until one succeeds, the first now",
}


def effect_of_replaying(endpoint: Endpoint) -> str:
    """Say which events can be sent again, and when they are."""
    numbering = Numbering.objects.first()
    if numbering is None or numbering.last_sequence == numbering.purged_through:
        return "Nothing will be done: there are no events."
    when = _WHEN_REPLAYED.get(endpoint.status, "now")
    return (
        f"It gets {types_of(endpoint)}. Events are kept from number {numbering.purged_through + 1} to"
        f" {numbering.last_sequence}: those that you choose are sent {when}, each with the id that it always had, by"
        f" which the back end tells that it had it before. At most {MAX_REPLAYED:,} at once."
    )


def effect_of_testing(endpoint: Endpoint) -> str:
    """Say what a test sends."""
    ends = " A success ends its failing." if endpoint.status == Endpoint.Status.FAILING else ""
    return f"A message of the type {TEST_TYPE} is sent to {endpoint.url}, once, whatever its status.{ends}"


def effect_of_deleting(figures: Figures) -> str:
    """Say what is lost with an endpoint."""
    return (
        "Its secret ends at once. Nothing is sent to it any more, and its deliveries are deleted;"
        f" {_waiting(figures.pending)} now. This cannot be undone."
    )


def effect_of_retrying(delivery: Delivery) -> str:
    """Say what sending a delivery again means."""
    tries = f"with the same id and up to {MAX_TRIES} new tries" if delivery.event_id else "once"
    if delivery.endpoint.status == Endpoint.Status.DISABLED and delivery.event_id:
        return f"It is sent again {tries}, as soon as its endpoint is enabled: that is disabled now."
    return f"It is sent again now, {tries}. The back end tells by the id that it had it before."


def _at(moment: datetime | None) -> str:
    return moments.written(moment) if moment else "-"

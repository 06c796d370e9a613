"""Search in the lists of events and deliveries: by an event's id or number, and by the id of what it is about."""

from collections.abc import Iterator

from django.db.models import Q, QuerySet

from flashsale.core.identifiers import parse_id, uuid_range
from flashsale.outbox.models import RESOURCE_ID_LENGTH, Delivery, Event, parse_shown_id


def events(text: str) -> Iterator[QuerySet[Event] | Q]:
    """Yield the events with this id or number, then those about the row with this id or its first eight digits."""
    yield by_public_id(text)
    if number := parse_id(text):
        yield Event.objects.filter(pk=number)
    if about := _about(text):
        yield about


def deliveries(text: str) -> Iterator[QuerySet[Delivery]]:
    """Yield the deliveries of the events with this id or number, and of those about the row with this id."""
    yield Delivery.objects.filter(event__in=by_public_id(text))
    if number := parse_id(text):
        yield Delivery.objects.filter(event=number)
    if about := _about(text):
        yield Delivery.objects.filter(event__in=Event.objects.filter(about).order_by("-pk"))


def by_public_id(text: str) -> QuerySet[Event]:
    """Return the event that readers know by this id."""
    public_id = parse_shown_id(text)
    return Event.objects.filter(public_id=public_id) if public_id else Event.objects.none()


def _about(text: str) -> Q | None:
    """Return the condition that an event is about the row with this id, or whose UUID begins with these digits."""
    bounds = uuid_range(text.partition(",")[0].strip())
    if bounds is not None:
        return Q(resource_id__gte=str(bounds[0]), resource_id__lte=str(bounds[1]))
    return Q(resource_id=text) if len(text) <= RESOURCE_ID_LENGTH else None

"""Events over HTTP: the feed, and each event by its id."""

from django.http import HttpResponse
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request

from flashsale.core.backoffice import parameters
from flashsale.core.backoffice.parameters import Parameter
from flashsale.core.backoffice.views import BackofficeViewSet
from flashsale.core.refusals import NotFound
from flashsale.core.rest import scopes
from flashsale.outbox import feed
from flashsale.outbox.kinds import EventType
from flashsale.outbox.models import parse_shown_id

DEFAULT_EVENTS, MAX_EVENTS = 100, 500


def types_in(text: str) -> list[str] | None:
    """Return the types of events that a text names, separated by commas; None where one does not exist."""
    names = text.split(",")
    return sorted(set(names)) if all(name in EventType.values for name in names) else None


TYPES = Parameter(
    meaning="Only events of these types, separated by commas; all types by default.",
    schema={"type": "array", "items": {"type": "string", "enum": EventType.values}},
    parse=types_in,
    expected=f"types separated by commas, of {', '.join(EventType.values)}",
    error_code="not_a_choice",
)
LIST = {
    "after": parameters.integer(
        "Events with a higher `sequence`: `next` of the page before. Without it from the oldest on.", least=0
    ),
    "types": TYPES,
    "limit": parameters.integer(f"Events a page; {DEFAULT_EVENTS} by default.", most=MAX_EVENTS),
}


class EventViewSet(BackofficeViewSet):
    """What happened in the last 30 days, in the order of the numbers."""

    required_scopes = {"list": scopes.EVENTS_READ, "retrieve": scopes.EVENTS_READ}
    parameters = {"list": LIST}

    def list(self, request: Request) -> HttpResponse:
        page = feed.read(
            after=self.query.get("after"),
            types=self.query.get("types", ()),
            limit=self.query.get("limit", DEFAULT_EVENTS),
        )
        has_more = "true" if page.has_more else "false"
        return _json(f'{{"results":[{",".join(page.bodies)}],"next":{page.next},"has_more":{has_more}}}')

    def retrieve(self, request: Request, pk: str) -> HttpResponse:
        public_id = parse_shown_id(pk)
        if public_id is None:
            raise NotFound
        return _json(feed.get(public_id))


def _json(text: str) -> HttpResponse:
    return HttpResponse(text.encode(), content_type=JSONRenderer.media_type)

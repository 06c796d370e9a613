"""Events for the shop's back end, the endpoints that get them as webhooks, and the deliveries."""

from flashsale.outbox.models.deliveries import TEST_TYPE, Delivery
from flashsale.outbox.models.endpoints import DESCRIPTION_LENGTH, MAX_TYPES, URL_LENGTH, Endpoint
from flashsale.outbox.models.events import (
    PUBLIC_PREFIX,
    RESOURCE_ID_LENGTH,
    TYPE_LENGTH,
    Event,
    Numbering,
    RecordedEvent,
    parse_shown_id,
)

__all__ = [
    "DESCRIPTION_LENGTH",
    "MAX_TYPES",
    "PUBLIC_PREFIX",
    "RESOURCE_ID_LENGTH",
    "TEST_TYPE",
    "TYPE_LENGTH",
    "URL_LENGTH",
    "Delivery",
    "Endpoint",
    "Event",
    "Numbering",
    "RecordedEvent",
    "parse_shown_id",
]

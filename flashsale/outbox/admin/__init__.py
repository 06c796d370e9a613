"""Endpoints of the shop's back end, deliveries to them and the events, for staff; managers change them."""

from flashsale.outbox.admin.deliveries import DeliveryAdmin
from flashsale.outbox.admin.endpoints import EndpointAdmin
from flashsale.outbox.admin.events import EventAdmin

__all__ = ["DeliveryAdmin", "EndpointAdmin", "EventAdmin"]

"""Filters of events and deliveries: their choices are read from no big table."""

from collections.abc import Iterable
from typing import Any

from django.contrib.admin import ModelAdmin
from django.db.models import QuerySet
from django.http import HttpRequest

from flashsale.core.identifiers import parse_uuid
from flashsale.core.staff.theme import RadioFilter
from flashsale.outbox import endpoints
from flashsale.outbox.kinds import EventType
from flashsale.outbox.models import Delivery, Event


class OfType(RadioFilter):
    """Events of one type."""

    title = parameter_name = "type"

    def lookups(self, request: HttpRequest, model_admin: "ModelAdmin[Any]") -> Iterable[tuple[str, str]]:
        return [(name, name) for name in EventType.values]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Event]) -> QuerySet[Event]:
        return queryset.filter(type=self.value()) if self.value() else queryset


class ToEndpoint(RadioFilter):
    """Deliveries to one endpoint."""

    title = parameter_name = "endpoint"

    def lookups(self, request: HttpRequest, model_admin: "ModelAdmin[Any]") -> Iterable[tuple[str, str]]:
        return [(str(endpoint.pk), str(endpoint)) for endpoint in endpoints.present()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> QuerySet[Delivery]:
        endpoint_id = parse_uuid(self.value() or "")
        return queryset.filter(endpoint=endpoint_id) if endpoint_id else queryset

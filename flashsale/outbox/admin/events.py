"""Events for the shop's back end, as its readers get them, for staff."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib import admin
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import mark_safe

from flashsale.core.staff.big_tables import BigTableAdmin
from flashsale.core.staff.columns import moment_column
from flashsale.core.staff.csv_export import Export
from flashsale.core.staff.facts import FactColumn, FactsMixin
from flashsale.core.staff.filters import TimeRange
from flashsale.core.staff.links import link_to, sentence_cell
from flashsale.core.staff.search import IndexedSearchMixin
from flashsale.outbox.admin import bodies, look_ups, resource_pages, wording
from flashsale.outbox.admin.filters import OfType
from flashsale.outbox.models import Event

# An event and the row that it is about.
About = tuple[Event, Model | None]


@admin.register(Event)
class EventAdmin(FactsMixin, IndexedSearchMixin, BigTableAdmin):
    list_display = (
        "sequence", "type", FactColumn("What happened", lambda about: sentence_cell(wording.meaning_of(about[0].type))),
        FactColumn("About", lambda about: sentence_cell(resource_pages.link_of(*about))),
        moment_column("recorded_at", "time"),
    )  # fmt: skip
    list_filter = (OfType, ("recorded_at", TimeRange))
    list_filter_submit = True
    search_fields = ("public_id",)
    search_help_text = "Id or number of an event, id of an order, a payment or a product"
    when_empty = "An event appears here soon after an order, money or a product has changed; it is kept for 30 days."
    ordering = ("-sequence",)
    actions = ("export_csv",)
    fieldsets = (
        (None, {"fields": ("shown_id", "sequence", "type", "meaning", "about", "recorded_at")}),
        ("What readers get", {"fields": ("readable_body",)}),
        ("Webhooks", {"fields": ("its_deliveries",)}),
    )
    readonly_fields = ("shown_id", "meaning", "about", "readable_body", "its_deliveries")
    export = Export(
        {
            "Number": "sequence", "Event": "shown_id", "Type": "type", "Time": "recorded_at",
            "About": lambda event: event.resource.replace("_", " "), "Its id": "resource_id",
        }
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Event]:
        return super().get_queryset(request).defer("body")

    def look_ups(self, text: str) -> Iterable[QuerySet[Event] | Q]:
        return look_ups.events(text)

    def facts_about(self, rows: Iterable[Event]) -> Mapping[int, About]:
        events = list(rows)
        found = resource_pages.rows_of(events)
        return {event.pk: (event, found[event.pk]) for event in events}

    @admin.display(description="Id")
    def shown_id(self, event: Event) -> str:
        return event.shown_id

    @admin.display(description="What happened")
    def meaning(self, event: Event) -> str:
        return wording.meaning_of(event.type) or "-"

    @admin.display(description="About")
    def about(self, event: Event) -> str:
        return resource_pages.link_of(event, resource_pages.rows_of([event])[event.pk])

    @admin.display(description="Body")
    def readable_body(self, event: Event) -> str:
        return bodies.collapsed("JSON, in the feed and in webhooks", bodies.indented(event.body), is_open=True)

    @admin.display(description="Deliveries")
    def its_deliveries(self, event: Event) -> Any:
        """Link the deliveries of the event, each with its state."""
        rows = event.deliveries.filter(endpoint__deleted_at=None).select_related("endpoint").order_by("pk")
        lines = ((link_to(one, str(one.endpoint)), wording.state_of_delivery(one)) for one in rows)
        return format_html_join(mark_safe("<br>"), "{}: {}", lines) or "No endpoint gets it"

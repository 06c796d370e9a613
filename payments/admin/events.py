"""Webhook events for staff, who settle those that need review or are dead."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet, prefetch_related_objects
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils.html import format_html_join

from flashsale.core.staff.big_tables import BigTableAdmin
from flashsale.core.staff.columns import moment_column, text_column
from flashsale.core.staff.confirmed_actions import NoteForm
from flashsale.core.staff.csv_export import Export, Fact
from flashsale.core.staff.facts import FactColumn, FactsMixin
from flashsale.core.staff.filters import TimeRange
from flashsale.core.staff.links import link_to, sentence_cell
from flashsale.core.staff.search import IndexedSearchMixin
from payments import explanations, inbox
from payments.admin import look_ups
from payments.admin.event_page import EventPageMixin
from payments.admin.forecasts import EFFECTS
from payments.admin.forms import AcceptForm, RefundForm
from payments.explanations import Situation
from payments.models import WebhookEvent


def _orders(of: Situation) -> str:
    """Link the event's order; before it is matched, each one that it may mean."""
    orders = [of.order] if of.order else of.named
    return sentence_cell(format_html_join(", ", "{}", ((link_to(order),) for order in orders))) if orders else "-"


def _why(of: Situation) -> str:
    return sentence_cell(explanations.why(of) or "-")


def _situations(rows: Sequence[WebhookEvent]) -> Mapping[int, Situation]:
    """Return what is known of some events, by primary key, with a few queries for all of them."""
    prefetch_related_objects(rows, "order__product", "settled_by")
    return {of.event.pk: of for of in explanations.read_all(rows)}


@admin.register(WebhookEvent)
class WebhookEventAdmin(EventPageMixin, FactsMixin, IndexedSearchMixin, BigTableAdmin):
    list_display = (
        text_column("event_id", "event id"),
        FactColumn("What", lambda of: sentence_cell(of.event.get_kind_display())),
        FactColumn("Amount", lambda of: of.paid or "-"),
        FactColumn("Price or payment", lambda of: of.expected or "-"),
        FactColumn("Why", _why),
        FactColumn("Order", _orders),
        "status",
        moment_column("received_at", "since"),
    )
    list_filter = ("status", "kind", "provider", ("received_at", TimeRange))
    list_filter_submit = True
    list_select_related = ("order__product", "settled_by")
    search_fields = ("event_id",)
    search_help_text = "Event, payment, order or hold id"
    when_empty = "An event appears here when a payment provider posts it."
    ordering = ("-received_at",)
    actions = ("accept", "refund", "dismiss", "retry", "export_csv")
    page_actions = ("accept", "refund", "dismiss", "retry")
    export = Export(
        {
            "Event": "event_id", "Provider": "provider", "Came": lambda event: event.get_source_display(),
            "Received at": "received_at",
            "What": lambda event: event.get_kind_display(), "Status": lambda event: event.get_status_display(),
            "Reason": Fact(explanations.why), "Amount": "amount", "Currency": "currency",
            "Payment id": "payment_ref", "Order": "order_id", "Names order": "order_ref", "Names hold": "hold_ref",
            "Names refund": "refund_ref", "Type": "type", "Attempts": "attempts", "Processed at": "processed_at",
            "Decided by": "settled_by.username", "Note": "settled_note",
        },
        facts_about=_situations,
    )  # fmt: skip

    def look_ups(self, text: str) -> Iterable[QuerySet[WebhookEvent]]:
        return look_ups.events(text)

    def facts_about(self, rows: Iterable[WebhookEvent]) -> Mapping[int, Situation]:
        return {of.event.pk: of for of in explanations.read_all(rows)}

    def is_offered(self, action: str, row: WebhookEvent) -> bool:
        is_dead = row.status == WebhookEvent.Status.DEAD
        return is_dead if action == "retry" else is_dead or row.status == WebhookEvent.Status.NEEDS_REVIEW

    @admin.action(description="Retry", permissions=["decide"])
    def retry(self, request: HttpRequest, queryset: QuerySet[WebhookEvent]) -> TemplateResponse | None:
        def retry(event: WebhookEvent, *, note: str) -> WebhookEvent:
            return inbox.retry(event.pk)

        return self._settle(request, queryset, "retry", retry)

    @admin.action(description="Accept", permissions=["decide"])
    def accept(self, request: HttpRequest, queryset: QuerySet[WebhookEvent]) -> TemplateResponse | None:
        def accept(event: WebhookEvent, **decision: Any) -> WebhookEvent:
            return inbox.accept(event.pk, staff=request.user, **decision)

        return self._settle(request, queryset, "accept", accept, AcceptForm)

    @admin.action(description="Give the money back", permissions=["decide"])
    def refund(self, request: HttpRequest, queryset: QuerySet[WebhookEvent]) -> TemplateResponse | None:
        def refund(event: WebhookEvent, **decision: Any) -> WebhookEvent:
            return inbox.refund(event.pk, staff=request.user, **decision)

        return self._settle(request, queryset, "refund", refund, RefundForm)

    @admin.action(description="Dismiss", permissions=["decide"])
    def dismiss(self, request: HttpRequest, queryset: QuerySet[WebhookEvent]) -> TemplateResponse | None:
        def dismiss(event: WebhookEvent, *, note: str) -> WebhookEvent:
            return inbox.dismiss(event.pk, staff=request.user, note=note)

        return self._settle(request, queryset, "dismiss", dismiss)

    def _settle(
        self,
        request: HttpRequest,
        queryset: QuerySet[WebhookEvent],
        action: str,
        verb: Callable[..., WebhookEvent],
        form_class: type[NoteForm] = NoteForm,
    ) -> TemplateResponse | None:
        def describe(_: WebhookEvent, result: WebhookEvent) -> str:
            return f"{result}: {explanations.what_happened(explanations.read(result))}"

        def effect(event: WebhookEvent) -> str:
            of = explanations.read(event)
            return f"{_headline(of)} {EFFECTS[action](of)}"

        return self.confirm_and_run(
            request, queryset, action=action, verb=verb, form_class=form_class, describe=describe, effect=effect
        )


def _headline(of: Situation) -> str:
    reason = explanations.why(of)
    return f"{of.event.get_kind_display().capitalize()}: {reason}." if reason else ""

"""Webhook events for staff, who settle those that need review or are dead."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html_join

from checkout import proved_payments
from flashsale.core.staff.big_tables import BigTableAdmin
from flashsale.core.staff.confirmed_actions import NoteForm
from flashsale.core.staff.csv_export import Export
from flashsale.core.staff.filters import TimeRange
from payments import inbox
from payments.admin.forms import AcceptForm, RefundForm
from payments.models import WebhookEvent

WARNINGS = {
    "accept": "They are applied with their own amounts and currencies, whatever their orders say.",
    "refund": "Their money becomes due for refund.",
}


@admin.register(WebhookEvent)
class WebhookEventAdmin(BigTableAdmin):
    list_display = ("event_id", "provider", "kind", "status", "reason", "payment_ref", "attempts", "received_at")
    list_filter = ("status", "kind", "provider", ("received_at", TimeRange))
    list_filter_submit = True
    search_fields = ("event_id", "payment_ref", "order_ref")
    ordering = ("-received_at",)
    exclude = ("body",)
    readonly_fields = ("raw_body", "orders_with_its_payment_id")
    actions = ("retry", "accept", "refund", "dismiss", "export_csv")
    page_actions = ("accept", "refund", "dismiss", "retry")
    export = Export(
        {
            "event_id": "event_id", "provider": "provider", "received_at": "received_at", "type": "type",
            "kind": "kind", "status": "status", "reason": "reason", "payment": "payment_ref", "amount": "amount",
            "currency": "currency", "order_id": "order_id", "names_order": "order_ref", "names_hold": "hold_ref",
            "names_refund": "refund_ref", "attempts": "attempts", "processed_at": "processed_at",
            "settled_by": "settled_by.username", "settled_note": "settled_note",
        }
    )  # fmt: skip

    def is_offered(self, action: str, row: WebhookEvent) -> bool:
        is_dead = row.status == WebhookEvent.Status.DEAD
        return is_dead if action == "retry" else is_dead or row.status == WebhookEvent.Status.NEEDS_REVIEW

    @admin.action(description="Retry", permissions=["decide"])
    def retry(self, request: HttpRequest, queryset: QuerySet[WebhookEvent]) -> TemplateResponse | None:
        def retry(event: WebhookEvent, *, note: str) -> WebhookEvent:
            return inbox.retry(event.pk)

        return self._settle(request, queryset, "retry", retry)

    @admin.action(description="Settle: accept as they are", permissions=["decide"])
    def accept(self, request: HttpRequest, queryset: QuerySet[WebhookEvent]) -> TemplateResponse | None:
        def accept(event: WebhookEvent, **decision: Any) -> WebhookEvent:
            return inbox.accept(event.pk, staff=request.user, **decision)

        return self._settle(request, queryset, "accept", accept, AcceptForm)

    @admin.action(description="Settle: give the money back", permissions=["decide"])
    def refund(self, request: HttpRequest, queryset: QuerySet[WebhookEvent]) -> TemplateResponse | None:
        def refund(event: WebhookEvent, **decision: Any) -> WebhookEvent:
            return inbox.refund(event.pk, staff=request.user, **decision)

        return self._settle(request, queryset, "refund", refund, RefundForm)

    @admin.action(description="Settle: dismiss, nothing is to be done", permissions=["decide"])
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
        return self.confirm_and_run(
            request, queryset, action=action, verb=verb, form_class=form_class, warning=WARNINGS.get(action, "")
        )

    @admin.display(description="Orders with this payment id")
    def orders_with_its_payment_id(self, event: WebhookEvent) -> str:
        """Link the orders with the event's payment id, proved or claimed; staff find out which of them it pays."""
        if not event.payment_ref:
            return "-"
        links = (
            (reverse("admin:checkout_order_change", args=[order_id]), order_id, "proved" if is_proved else "claimed")
            for order_id, is_proved in proved_payments.orders_with(event.payment_ref)
        )
        return format_html_join(", ", '<a href="{}">{}</a> ({})', links) or "None"

    @admin.display(description="Body")
    def raw_body(self, event: WebhookEvent) -> str:
        return event.body_text

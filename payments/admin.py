"""Webhook events, payments, refunds and disputes for staff, who settle the events that need review or are dead."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html_join
from unfold.widgets import UnfoldAdminDecimalFieldWidget, UnfoldAdminTextInputWidget

from checkout import proved_payments
from flashsale.core import money
from flashsale.core.staff.big_tables import BigTableAdmin
from flashsale.core.staff.columns import money_column
from flashsale.core.staff.confirmed_actions import NoteForm, ReadOnlyAdmin
from flashsale.core.staff.csv_export import Export
from flashsale.core.staff.filters import TimeRange
from payments import inbox, refunds
from payments.models import Dispute, Payment, Refund, WebhookEvent

WARNINGS = {
    "accept": "They are applied with their own amounts and currencies, whatever their orders say.",
    "refund": "Their money becomes due for refund.",
}


class AcceptForm(NoteForm):
    """Why events are accepted, and their order, where they do not name it."""

    order_id = forms.UUIDField(required=False, label="Order", widget=UnfoldAdminTextInputWidget())
    field_order: tuple[str, ...] = ("order_id", "note")


class RefundForm(AcceptForm):
    """Why money is refunded, and the amount, where the events do not say it."""

    amount = forms.DecimalField(
        required=False,
        min_value=Decimal("0.001"),
        max_digits=money.MAX_DIGITS,
        decimal_places=money.DECIMAL_PLACES,
        widget=UnfoldAdminDecimalFieldWidget(),
        help_text="Only where neither the event nor its order says it.",
    )
    currency = forms.CharField(
        required=False,
        max_length=money.CURRENCY_LENGTH,
        widget=UnfoldAdminTextInputWidget(),
        help_text="ISO 4217 code.",
    )
    field_order = ("order_id", "amount", "currency", "note")

    def clean_currency(self) -> str:
        code: str = self.cleaned_data["currency"].upper()
        if code and not money.is_currency(code):
            raise forms.ValidationError("This is not an ISO 4217 currency.")
        return code

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        amount, currency = cleaned.get("amount"), cleaned.get("currency")
        if amount and currency and not money.fits(amount, currency):
            decimals = money.exponent_of(currency)
            self.add_error("amount", f"An amount in {currency} has at most {decimals} decimals.")
        return cleaned


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


@admin.register(Payment)
class PaymentAdmin(BigTableAdmin):
    list_display = ("payment_id", "provider", "order", money_column("amount"), "status", "reason", "created_at")
    list_filter = ("status", "provider", ("created_at", TimeRange))
    list_filter_submit = True
    list_select_related = ("order",)
    search_fields = ("payment_id", "order__id")
    ordering = ("-created_at",)
    actions = ("mark_refunded", "export_csv")
    page_actions = ("mark_refunded",)
    export = Export(
        {
            "payment_id": "payment_id", "provider": "provider", "created_at": "created_at", "amount": "amount",
            "currency": "currency", "status": "status", "reason": "reason", "order_id": "order_id",
            "refunded_amount": "refunded_amount", "refunded_by": "refunded_by.username",
            "refunded_note": "refunded_note",
        }
    )  # fmt: skip

    def is_offered(self, action: str, row: Payment) -> bool:
        return row.status != Payment.Status.REFUNDED

    @admin.action(description="Mark as refunded by other means", permissions=["decide"])
    def mark_refunded(self, request: HttpRequest, queryset: QuerySet[Payment]) -> TemplateResponse | None:
        def mark(payment: Payment, *, note: str) -> Payment:
            return refunds.mark_refunded(payment, staff=request.user, note=note)

        warning = "What was not refunded yet of these payments is recorded as given back to the customers."

        def describe(_: Payment, result: Payment) -> str:
            return f"{result}: {result.get_status_display()}."

        return self.confirm_and_run(
            request, queryset, action="mark_refunded", verb=mark, describe=describe, warning=warning
        )


@admin.register(Refund)
class RefundAdmin(ReadOnlyAdmin):
    list_display = ("payment", "attempt", "amount", "status", "refund_id", "tries", "next_try_at", "created_at")
    list_filter = ("status",)
    list_select_related = ("payment",)
    search_fields = ("refund_id", "payment__payment_id")
    ordering = ("-created_at",)
    actions = ("export_csv",)
    export = Export(
        {
            "payment_id": "payment.payment_id", "provider": "payment.provider", "created_at": "created_at",
            "amount": "amount", "currency": "payment.currency", "status": "status", "refund_id": "refund_id",
            "attempt": "attempt", "tries": "tries", "next_try_at": "next_try_at", "answered_at": "answered_at",
        },
        currency="payment.currency",
    )  # fmt: skip


@admin.register(Dispute)
class DisputeAdmin(BigTableAdmin):
    list_display = ("dispute_id", "payment", money_column("amount"), "status", "reason", "created_at", "as_of")
    list_filter = ("status", ("created_at", TimeRange))
    list_filter_submit = True
    list_select_related = ("payment",)
    search_fields = ("dispute_id", "payment__payment_id")
    ordering = ("-created_at",)
    actions = ("export_csv",)
    export = Export(
        {
            "dispute_id": "dispute_id", "payment_id": "payment.payment_id", "order_id": "payment.order_id",
            "created_at": "created_at", "amount": "amount", "currency": "currency", "status": "status",
            "reason": "reason", "as_of": "as_of",
        }
    )  # fmt: skip

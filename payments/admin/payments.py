"""Payments for staff, who refund them and record what they gave back by other means."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse

from flashsale.core.staff.big_tables import BigTableAdmin
from flashsale.core.staff.columns import amount_text, money_column
from flashsale.core.staff.csv_export import Export
from flashsale.core.staff.filters import TimeRange
from payments import refunds
from payments.admin import refunding
from payments.models import Payment


@admin.register(Payment)
class PaymentAdmin(BigTableAdmin):
    list_display = ("payment_id", "provider", "order", money_column("amount"), "status", "reason", "created_at")
    list_filter = ("status", "provider", ("created_at", TimeRange))
    list_filter_submit = True
    list_select_related = ("order",)
    search_fields = ("payment_id", "order__id")
    ordering = ("-created_at",)
    actions = ("refund", "mark_refunded", "export_csv")
    page_actions = ("refund", "mark_refunded")
    export = Export(
        {
            "payment_id": "payment_id", "provider": "provider", "created_at": "created_at", "amount": "amount",
            "currency": "currency", "status": "status", "reason": "reason", "order_id": "order_id",
            "refunded_amount": "refunded_amount", "refunded_by": "refunded_by.username",
            "refunded_note": "refunded_note",
        }
    )  # fmt: skip

    def is_offered(self, action: str, row: Payment) -> bool:
        return refunding.is_refundable(row) if action == "refund" else not row.is_refund_done

    @admin.action(description="Refund", permissions=["decide"])
    def refund(self, request: HttpRequest, queryset: QuerySet[Payment]) -> TemplateResponse | None:
        payments = queryset.select_related("event")
        return refunding.ask_and_refund(self, request, payments, payment_of=lambda payment: payment)

    @admin.action(description="Mark as refunded by other means", permissions=["decide"])
    def mark_refunded(self, request: HttpRequest, queryset: QuerySet[Payment]) -> TemplateResponse | None:
        def mark(payment: Payment, *, note: str) -> Payment:
            return refunds.mark_refunded(payment, staff=request.user, note=note)

        def describe(_: Payment, result: Payment) -> str:
            back = amount_text(result.refunded_amount, result.currency)
            return f"{result}: {result.get_status_display()}; {back} were given back in all."

        return self.confirm_and_run(
            request, queryset, action="mark_refunded", verb=mark, describe=describe, effect=refunding.effect_of_marking
        )

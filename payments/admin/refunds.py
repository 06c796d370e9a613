"""Attempts to refund through a provider, for staff."""

from django.contrib import admin

from flashsale.core.staff.confirmed_actions import ReadOnlyAdmin
from flashsale.core.staff.csv_export import Export
from payments.models import Refund


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
